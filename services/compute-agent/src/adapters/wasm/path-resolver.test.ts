import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildMountTree, type TreeNode } from "./mount-tree.ts";
import { resolvePath, type Place } from "./path-resolver.ts";

let folder: string;
let root: TreeNode;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "path-resolver-"));
  await mkdir(join(folder, "in/sub/deep"), { recursive: true });
  await mkdir(join(folder, "out"));
  await writeFile(join(folder, "in/file"), "");
  await symlink("sub/deep", join(folder, "in/to-deep"));
  await symlink("../file", join(folder, "in/sub/to-file"));
  await symlink("../../out", join(folder, "in/sub/out-of-mount"));
  await symlink("/in/file", join(folder, "in/absolute"));
  await symlink("nowhere", join(folder, "in/dangling"));
  root = buildMountTree([
    { hostPath: join(folder, "in"), target: "/data/in", isReadOnly: true },
    { hostPath: join(folder, "out"), target: "/out", isReadOnly: false },
  ]);
});

afterAll(() => rm(folder, { recursive: true }));

describe("resolvePath", () => {
  test.for([
    { path: "data/in/file", hostPath: "in/file" },
    { path: "data/./in//sub/../file", hostPath: "in/file" },
    { path: "data/in/to-deep/../to-file", hostPath: "in/file" },
    { path: "data/../out/new", hostPath: "out/new" },
    { path: "data/in/dangling", hostPath: "in/nowhere" },
    { path: "data/in/sub/", hostPath: "in/sub" },
  ])("finds $path", ({ path, hostPath }) => {
    expect(hostPathOf(resolvePath(root, { base: [], path, isLastFollowed: true }))).toBe(join(folder, hostPath));
  });

  test.for([
    { path: "", errno: "ENOENT" },
    { path: "/data", errno: "ENOTCAPABLE" },
    { path: "..", errno: "ENOTCAPABLE" },
    { path: "data/../..", errno: "ENOTCAPABLE" },
    { path: "data/in/absolute", errno: "ENOTCAPABLE" },
    { path: "data/in/sub/out-of-mount", errno: "ENOTCAPABLE" },
    { path: "data/in/file/x", errno: "ENOTDIR" },
    { path: "data/in/file/", errno: "ENOTDIR" },
    { path: "data/in/absent/x", errno: "ENOENT" },
    { path: "absent/x", errno: "ENOENT" },
    { path: "x/".repeat(3_000), errno: "ENAMETOOLONG" },
  ])("refuses '$path' with $errno", ({ path, errno }) => {
    expect(() => resolvePath(root, { base: [], path, isLastFollowed: true })).toThrow(errno);
  });

  test("leaves a link in last position alone when asked to", () => {
    const place = resolvePath(root, { base: [], path: "data/in/absolute", isLastFollowed: false });
    expect(place.kind === "host" && place.stat?.isSymbolicLink()).toBe(true);
  });

  test("does not leave the folder that a path starts from, though its own tree goes on above", () => {
    const base = ["data", "in", "sub"];
    expect(hostPathOf(resolvePath(root, { base, path: "deep/..", isLastFollowed: true }))).toBe(join(folder, "in/sub"));
    expect(() => resolvePath(root, { base, path: "../file", isLastFollowed: true })).toThrow("ENOTCAPABLE");
  });

  test("does not follow a link that took the place of an open folder", async () => {
    const base = ["out", "open"];
    await mkdir(join(folder, "out/open"));
    expect(resolvePath(root, { base, path: ".", isLastFollowed: true }).components).toEqual(base);
    await rename(join(folder, "out/open"), join(folder, "out/moved"));
    await symlink("moved", join(folder, "out/open"));
    expect(() => resolvePath(root, { base, path: ".", isLastFollowed: true })).toThrow("ENOENT");
  });
});

describe("buildMountTree", () => {
  test.for([
    { title: "twice the same target", targets: ["/a", "/a"] },
    { title: "a mount inside a mount", targets: ["/a", "/a/b"] },
    { title: "a mount above a mount", targets: ["/a/b", "/a"] },
    { title: "anything beside a mount at /", targets: ["/", "/a"] },
  ])("refuses $title", ({ targets }) => {
    expect(() => buildMountTree(targets.map((target) => ({ hostPath: folder, target, isReadOnly: true })))).toThrow(/mount/u);
  });
});

function hostPathOf(place: Place): string | undefined {
  return place.kind === "host" ? place.hostPath : undefined;
}
