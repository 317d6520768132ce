import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionId } from "@skrei/domain";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ScratchFolders } from "./scratch-folders.ts";

const executionId = "e-01m80gsmsbjjj3a87rbjsfws6e" as ExecutionId;
let folder: string;
let folders: ScratchFolders;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "scratch-"));
  folders = new ScratchFolders(join(folder, "executions"));
});
afterEach(() => rm(folder, { recursive: true }));

test("outputs are open to the task, whatever its user; what is above them is not", async () => {
  await folders.create(executionId, ["a", "b"]);
  const { outputsFolder, scratchFolder } = folders.of(executionId);
  expect(await readdir(outputsFolder)).toEqual(["a", "b"]);
  expect((await stat(join(outputsFolder, "a"))).mode & 0o777).toBe(0o777);
  for (const closed of [outputsFolder, scratchFolder, join(folder, "executions", executionId)])
    expect((await stat(closed)).mode & 0o077).toBe(0);
  expect(await folders.list()).toEqual([executionId]);
});

test("a second try begins with empty folders", async () => {
  await folders.create(executionId, ["a"]);
  await writeFile(join(folders.of(executionId).outputsFolder, "a", "old"), "");
  await folders.create(executionId, ["a"]);
  expect(await readdir(join(folders.of(executionId).outputsFolder, "a"))).toEqual([]);
});

test("removing follows no link, and takes what the task had locked", async () => {
  const precious = join(folder, "precious");
  await mkdir(precious);
  await writeFile(join(precious, "file"), "still here");
  await folders.create(executionId, ["a"]);
  const output = join(folders.of(executionId).outputsFolder, "a");
  await symlink(precious, join(output, "link"));
  await mkdir(join(output, "locked", "deep"), { recursive: true });
  await chmod(join(output, "locked"), 0);
  await folders.remove(executionId);
  await folders.remove(executionId);
  expect(await folders.list()).toEqual([]);
  expect(await readFile(join(precious, "file"), "utf8")).toBe("still here");
});

const divided = { target: "/in", alias: "parts", digest: "cid:x", sizeBytes: 7 };
const place = { index: 1, count: 2 };

test("what a partition got is one file that any user may read, and goes with the folders", async () => {
  await folders.create(executionId, []);
  const filesPath = join(folder, "list.json");
  const files = [{ path: "a", sizeBytes: 7, offset: 7, sourceBytes: 14 }];
  await writeFile(filesPath, JSON.stringify({ files, count: 1, isCut: false }));
  const path = await folders.writeInputsFile(executionId, place, [{ ...divided, filesPath }]);
  expect(JSON.parse(await readFile(path, "utf8"))).toEqual({
    partition: place,
    inputs: [{ ...divided, files, count: 1, isCut: false }],
  });
  expect((await stat(path)).mode & 0o777).toBe(0o444);
  await folders.remove(executionId);
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a list that is too long to be taken apart still tells how many files there are", async () => {
  await folders.create(executionId, []);
  const filesPath = join(folder, "list.json");
  const files = Array.from({ length: 20_000 }, () => ({ path: "n".repeat(1_000), sizeBytes: 1 }));
  await writeFile(filesPath, JSON.stringify({ files, count: 30_000, isCut: true }));
  const path = await folders.writeInputsFile(executionId, place, [{ ...divided, filesPath }]);
  expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ inputs: [{ files: [], count: 30_000, isCut: true }] });
});

test("a list that is none is no fault of the task", async () => {
  await folders.create(executionId, []);
  const filesPath = join(folder, "list.json");
  await writeFile(filesPath, "{");
  await expect(folders.writeInputsFile(executionId, place, [{ ...divided, filesPath }])).rejects.toMatchObject({ kind: "unavailable" });
});
