import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeTree } from "./remove-tree.ts";

let folder: string;
let tree: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skrei-remove-"));
  tree = join(folder, "tree");
  await mkdir(tree);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("removes a tree that is deeper than a path can be long, twice over, with names that are not UTF-8", async () => {
  const script = `
import os, sys
os.chdir(sys.argv[1])
top = os.getcwd()
for branch in range(2):
    os.chdir(top)
    for depth in range(500):
        name = b"\\xff" + str(branch).encode() + b"n" * 50
        os.mkdir(name)
        os.chdir(name)
        open("file", "w").close()
        os.mkfifo("fifo")
`;
  execFileSync("python3", ["-c", script, tree]);
  await removeTree(tree);
  expect(existsSync(tree)).toBe(false);
});

test("follows no link, and a missing tree is fine", async () => {
  await writeFile(join(folder, "precious"), "still here");
  await symlink(folder, join(tree, "link"));
  await removeTree(tree);
  await removeTree(tree);
  expect(await readFile(join(folder, "precious"), "utf8")).toBe("still here");
});
