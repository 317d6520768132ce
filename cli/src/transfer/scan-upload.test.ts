import { execFileSync } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { scanUpload } from "./scan-upload.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skrei-scan-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("takes files and links, and names what it leaves out: FIFOs and names that are not UTF-8", async () => {
  await writeFile(join(folder, "file"), "x");
  await symlink("/etc/passwd", join(folder, "link"));
  execFileSync("mkfifo", [join(folder, "fifo")]);
  const before = await scanUpload(folder, AbortSignal.timeout(10_000));
  await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff])]), "y");
  const { root, files, skippedPaths } = await scanUpload(folder, AbortSignal.timeout(10_000));
  expect(root.cid.toString()).toBe(before.root.cid.toString());
  expect(files).toBe(1);
  expect(skippedPaths).toEqual([join(folder, "f\ufffd"), join(folder, "fifo")].toSorted());
});
