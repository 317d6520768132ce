import { execFileSync } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "@skrei/platform/remove-tree.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { measureDiskUse } from "./disk-watch.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skrei-disk-"));
});
afterEach(() => removeTree(folder));

test("counts what files occupy, not what they pretend", async () => {
  await writeFile(join(folder, "real"), Buffer.alloc(100_000, 1));
  execFileSync("truncate", ["--size=1T", join(folder, "sparse")]);
  const bytes = await measureDiskUse([folder], 1e9);
  expect(bytes).toBeGreaterThanOrEqual(100_000);
  expect(bytes).toBeLessThan(200_000);
});

test("nothing can be hidden in folders that are too deep to be looked into", async () => {
  const name = "n".repeat(200);
  execFileSync("bash", ["-c", `for i in $(seq 25); do mkdir ${name} && cd -P ${name}; done`], { cwd: folder });
  expect(await measureDiskUse([folder], 1e9)).toBe(Number.POSITIVE_INFINITY);
});
