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
