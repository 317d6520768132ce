import { lstatSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import type { LocalSource } from "@skrei/domain";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSwapper } from "../../../../test/kit/swap-names.ts";
import { createLocalPaths } from "./local-paths.ts";

let folder: string;
let root: string;
let outside: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "skrei-local-")));
  [root, outside] = [join(folder, "root"), join(folder, "outside")];
  for (const path of [root, outside, join(root, "sub"), join(root, "kept")]) mkdirSync(path);
  writeFileSync(join(root, "file"), "text");
  writeFileSync(join(outside, "secret"), "secret");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a path is read-only unless the job asks to write and the root allows it", async () => {
  const [readers, writers] = [createLocalPaths([`${root}:ro`]), createLocalPaths([`${root}:rw`])];
  expect(await readers.resolve(local("file"))).toEqual({ path: join(root, "file"), sizeBytes: 4, isWritable: false });
  expect(await writers.resolve(local("file"))).toMatchObject({ isWritable: false });
  expect(await writers.resolve(local("sub", { isWritable: true }))).toEqual({ path: join(root, "sub"), sizeBytes: 0, isWritable: true });
  await expect(readers.resolve(local("file", { isWritable: true }))).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  await expect(createLocalPaths([root]).check(local("file", { isWritable: true }))).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
});

test("the node's own data is closed, also below an allowed root, and so is what has it inside", async () => {
  const paths = createLocalPaths([`${folder}:rw`, "/"], [join(root, "kept"), join(folder, "not-there-yet")]);
  symlinkSync(join(root, "kept"), join(outside, "link"));
  for (const path of [
    join(root, "kept"),
    join(root, "kept", "below"),
    root,
    folder,
    "/",
    join(outside, "link"),
    join(folder, "not-there-yet", "x"),
  ])
    for (const resolve of [paths.check, paths.resolve])
      await expect(resolve({ type: "local", path, isWritable: path.startsWith(folder), creates: "folder" })).rejects.toMatchObject({
        reason: "SOURCE_NOT_ALLOWED",
        message: expect.stringContaining("the node's own data"),
      });
  expect(await paths.resolve(local("sub"))).toMatchObject({ path: join(root, "sub") });
});

test("a link that leads out of the allowed folders is named as one, and a folder that is not allowed is not", async () => {
  symlinkSync(outside, join(root, "way-out"));
  const refusalOf = async (path: string): Promise<string> =>
    await createLocalPaths([root])
      .resolve({ type: "local", path })
      .then(
        () => "",
        (error: unknown) => (error as Error).message,
      );
  const below = join(root, "way-out", "secret");
  expect(await refusalOf(below)).toBe(`The path ${below} leads out of the allowed folders of this node by a link.`);
  expect(await refusalOf(join(outside, "secret"))).toBe(`The path ${join(outside, "secret")} is not below an allowed folder of this node.`);
});

test("of nested roots the innermost counts", async () => {
  const paths = createLocalPaths([`${root}:rw`, `${join(root, "kept")}:ro`]);
  await expect(paths.resolve(local("kept", { isWritable: true }))).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  expect(await paths.resolve(local("sub", { isWritable: true }))).toMatchObject({ isWritable: true });
});

test("what is missing is made where writing is allowed, for any task to write to, and not by a bid", async () => {
  const paths = createLocalPaths([`${root}:rw`]);
  const made = local("new/deep/out", { isWritable: true, creates: "folder" });
  await paths.check(made);
  expect(readdirSync(root)).not.toContain("new");
  expect(await paths.resolve(made)).toEqual({ path: join(root, "new/deep/out"), sizeBytes: 0, isWritable: true });
  expect(lstatSync(join(root, "new/deep/out")).mode & 0o777).toBe(0o777);
  expect(lstatSync(join(root, "new")).mode & 0o022).toBe(0);
  expect(await paths.resolve(local("log", { isWritable: true, creates: "file" }))).toMatchObject({ sizeBytes: 0, isWritable: true });
  expect(lstatSync(join(root, "log")).mode & 0o777).toBe(0o666);
  expect(await paths.resolve(local("file", { isWritable: true, creates: "file" }))).toMatchObject({ sizeBytes: 4 });
  expect(lstatSync(join(root, "file")).mode & 0o022).toBe(0);
  await expect(paths.resolve(local("absent"))).rejects.toMatchObject({ reason: "SOURCE_UNREACHABLE" });
  await expect(paths.resolve(local("absent", { isWritable: true }))).rejects.toMatchObject({ reason: "SOURCE_UNREACHABLE" });
});

test.each([
  ["outside/secret", "a path next to the root"],
  ["outside/absent", "a path that is not there, of which nothing is said"],
  ["root/../outside/secret", "a path that climbs"],
  ["root/link/secret", "a path through a link"],
  ["root/link", "a link to a folder outside"],
  ["root/link/new", "something new behind a link"],
  ["root/dangling", "a link to nothing"],
  ["rootless", "a sibling with the root's name before its own"],
])("%s is refused: %s", async (name) => {
  symlinkSync(outside, join(root, "link"));
  symlinkSync(join(outside, "made"), join(root, "dangling"));
  mkdirSync(join(folder, "rootless"));
  const paths = createLocalPaths([`${root}:rw`]);
  for (const creates of [undefined, "folder", "file"] as const) {
    const source = { type: "local" as const, path: `${folder}/${name}`, isWritable: true, ...(creates && { creates }) };
    const isSeenAsMissing = name === "root/dangling" && creates === undefined;
    const reason = isSeenAsMissing ? "SOURCE_UNREACHABLE" : "SOURCE_NOT_ALLOWED";
    await expect(paths.resolve(source)).rejects.toMatchObject({ reason });
    if (name !== "root/dangling") await expect(paths.check(source)).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  }
  expect(readdirSync(outside)).toEqual(["secret"]);
});

test("pipes and devices are refused without waiting for them, links inside lead on", async () => {
  execFileSync("mkfifo", [join(root, "pipe")]);
  symlinkSync("file", join(root, "alias"));
  const paths = createLocalPaths([root, "/dev"]);
  await expect(paths.resolve(local("pipe"))).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  await expect(paths.resolve({ type: "local", path: "/dev/null" })).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  expect(await paths.resolve(local("alias"))).toMatchObject({ path: join(root, "file") });
});

test("nothing is made outside and nothing outside is given out, however a folder and a link change places (1,000 tries)", async () => {
  const paths = createLocalPaths([`${root}:rw`]);
  symlinkSync(outside, join(root, "trap"));
  await using swapper = await startSwapper(join(root, "sub"), join(root, "trap"));
  let [made, refused] = [0, 0];
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const source = local(`sub/x${attempt % 10}`, { isWritable: true, creates: attempt % 2 === 0 ? "folder" : "file" });
    try {
      const { path } = await paths.resolve(source);
      expect(path.startsWith(`${root}/`)).toBe(true);
      made += 1;
    } catch (error) {
      expect(error).toMatchObject({ name: "DomainError" });
      refused += 1;
    }
  }
  expect(made + refused).toBe(1_000);
  expect(swapper.swaps()).toBeGreaterThan(0);
  expect(readdirSync(outside)).toEqual(["secret"]);
});

function local(name: string, more: Partial<LocalSource> = {}): LocalSource {
  return { type: "local", path: join(root, name), ...more };
}
