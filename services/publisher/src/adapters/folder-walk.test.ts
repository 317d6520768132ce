import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { removeTree } from "@skrei/platform/remove-tree.ts";
import { systemClock } from "@skrei/platform/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { randomExecutionId } from "../../../../test/kit/random-execution-id.ts";
import { FileContentStore } from "./file-content-store.ts";

const noSignal = new AbortController().signal;
let folder: string;
let source: string;
let store: FileContentStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-walk-"));
  source = join(folder, "result");
  mkdirSync(join(source, "outputs"), { recursive: true });
  store = await FileContentStore.open({ folder: join(folder, "store"), clock: systemClock });
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("leaves out sockets and devices and says so", async () => {
  const server = createServer().listen(join(source, "outputs", "socket"));
  await once(server, "listening");
  if (process.getuid?.() === 0) execFileSync("mknod", [join(source, "outputs", "zero"), "c", "1", "5"]);
  else execFileSync("mkfifo", [join(source, "outputs", "zero")]);
  writeFileSync(join(source, "stdout"), "x");
  const { skippedPaths, sizeBytes } = await stage();
  server.close();
  expect(skippedPaths.toSorted()).toEqual(["outputs/socket", "outputs/zero"]);
  expect(sizeBytes).toBe(1);
});

test("takes each name of a file with several names, and a link to nowhere or to itself as it stands", async () => {
  writeFileSync(join(source, "outputs", "first"), "shared");
  linkSync(join(source, "outputs", "first"), join(source, "outputs", "second"));
  symlinkSync("nowhere", join(source, "outputs", "dangling"));
  symlinkSync(".", join(source, "outputs", "loop"));
  const staged = await stage();
  const cids = staged.parts.filter(({ path }) => /first|second/u.test(path)).map(({ cid }) => cid);
  expect(cids).toHaveLength(2);
  expect(new Set(cids).size).toBe(1);
  expect(staged).toMatchObject({ sizeBytes: 12, skippedPaths: [] });
});

test("refuses a folder that is nested 5,000 deep, in bounded time, and gives it back", { timeout: 60_000 }, async () => {
  execFileSync("bash", ["-c", `for i in $(seq 10); do mkdir -p ${"d/".repeat(500)} && cd -P ${"d/".repeat(500)}; done; echo x > file`], {
    cwd: join(source, "outputs"),
  });
  await expect(stage()).rejects.toMatchObject({ reason: "RESULT_TOO_LARGE" });
  expect(readdirSync(source)).toEqual(["outputs"]);
  expect(readdirSync(join(folder, "store", "results"))).toEqual([]);
  await removeTree(source);
});

async function stage(): Promise<Awaited<ReturnType<FileContentStore["stage"]>>> {
  return await store.stage({ executionId: randomExecutionId(), folder: source, bytesMax: 1_000_000 }, noSignal);
}
