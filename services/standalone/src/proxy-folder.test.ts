import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceStack } from "@skrei/platform/lifecycle.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openProxyFolder } from "./proxy-folder.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skrei-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

/** Opens the folder and uses it as the proxy would; gives the path while the cluster ran. */
async function openIn(nodeFolder: string): Promise<string> {
  const stack = new ServiceStack();
  let path = "";
  await stack.start(async (started) => {
    path = await openProxyFolder(nodeFolder, started);
    await writeFile(join(path, "journal"), "kept");
  });
  await stack.stop("test over");
  return path;
}

test("keeps a proxy's files in the node's folder", async () => {
  expect(await openIn(join(root, "dev-1"))).toBe(join(root, "dev-1/net"));
});

test("gives a long folder a short name, which is gone at the end while the files stay", async () => {
  const nodeFolder = join(root, "x".repeat(80), "dev-1");
  const path = await openIn(nodeFolder);
  expect(Buffer.byteLength(path)).toBeLessThan(60);
  expect(existsSync(path)).toBe(false);
  expect(await readFile(join(nodeFolder, "net/journal"), "utf8")).toBe("kept");
});
