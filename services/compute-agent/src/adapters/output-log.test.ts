import { fork } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionId } from "@skrei/domain";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LogChunk, LogQuery, OutputLog } from "../ports.ts";
import { OutputLogFolder } from "./output-logs.ts";

const executionId = "e-01m80gsmsbjjj3a87rbjsfws6e" as ExecutionId;
const bytes = (text: string): Uint8Array => Buffer.from(text);

let folder: string;
let rawFolder: string;
let logs: OutputLogFolder;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "output-"));
  rawFolder = join(folder, "result");
  await mkdir(rawFolder);
  logs = new OutputLogFolder(join(folder, "logs"));
});
afterEach(() => rm(folder, { recursive: true }));

test("keeps both streams in order in the log and apart in the raw files", async () => {
  const log = await open();
  await log.write("stdout", bytes("one\n"), 1);
  await log.write("stderr", bytes("two\n"), 2);
  await log.write("stdout", bytes("three\n"), 3.5);
  await log.close();
  expect((await read({})).map(({ stream, atMs, nextOffset, data }) => [stream, atMs, nextOffset, Buffer.from(data).toString()])).toEqual([
    ["stdout", 1, 4, "one\n"],
    ["stderr", 2, 8, "two\n"],
    ["stdout", 3.5, 14, "three\n"],
    ["stdout", 0, 14, ""],
  ]);
  expect(await raw()).toEqual({ stdout: "one\nthree\n", stderr: "two\n" });
  expect(log.bytesTaken("stdout")).toBe(10);
  expect(log.lastErrorLine()).toBe("two");
});

test("reads from any offset, and from the end", async () => {
  const log = await open();
  for (const text of ["one\n", "two\n", "three\n"]) await log.write("stdout", bytes(text), 1);
  await log.close();
  expect(textOf(await read({ fromOffset: 5 }))).toBe("wo\nthree\n");
  expect(textOf(await read({ tailBytes: 4 }))).toBe("ree\n");
  expect(textOf(await read({ fromOffset: 99 }))).toBe("");
  expect((await read({ fromOffset: 99 })).at(-1)).toMatchObject({ isEnd: true, nextOffset: 99 });
});

test("finds its way in a long log", async () => {
  const log = await open();
  const line = "x".repeat(99_999);
  for (let index = 0; index < 60; index++) await log.write("stdout", bytes(`${line}${index % 10}`), 1);
  await log.close();
  expect(textOf(await read({ fromOffset: 5_999_999 }))).toBe("9");
  expect(textOf(await read({ tailBytes: 100_001 }))).toBe(`8${line}9`);
});

test("cuts large pieces into chunks of at most 64 KiB", async () => {
  const log = await open();
  await log.write("stdout", new Uint8Array(200_000), 1);
  await log.close();
  expect((await read({})).map(({ data }) => data.length)).toEqual([65_536, 65_536, 65_536, 3_392, 0]);
});

test("many followers get history and what comes, until the end", async () => {
  const log = await open();
  await log.write("stdout", bytes("history\n"), 1);
  const followers = Array.from({ length: 20 }, () => read({ isFollowing: true }));
  for (let index = 0; index < 200; index++) await log.write("stdout", bytes(`${index}\n`), 2);
  await log.close();
  const expected = `history\n${Array.from({ length: 200 }, (_, index) => `${index}\n`).join("")}`;
  for (const chunks of await Promise.all(followers)) expect(textOf(chunks)).toBe(expected);
});

test("a follower may come before there is a log, and gets its end though there never is one", async () => {
  logs.expect(executionId);
  const [early, never] = [
    read({ isFollowing: true }),
    read({ isFollowing: true, executionId: "e-2" as ExecutionId }).catch((error: unknown) => error),
  ];
  const log = await open();
  await log.write("stdout", bytes("late\n"), 1);
  await log.close();
  expect(textOf(await early)).toBe("late\n");
  expect(await never).toMatchObject({ reason: "EXECUTION_NOT_FOUND" });
});

test("a follower that leaves is let go", async () => {
  const log = await open();
  const leaving = new AbortController();
  const following = read({ isFollowing: true }, leaving.signal);
  leaving.abort(new Error("left"));
  await expect(following).rejects.toThrow("left");
  await log.close();
});

test("drops what comes after the limit, and says so", async () => {
  logs = new OutputLogFolder(join(folder, "logs"), { bytesMax: 10 });
  const log = await open();
  await log.write("stdout", bytes("12345678"), 1);
  await log.write("stderr", bytes("abcdef"), 2);
  await log.write("stdout", bytes("more"), 3);
  await log.close();
  expect(await raw()).toEqual({ stdout: "12345678", stderr: "ab" });
  logs = new OutputLogFolder(join(folder, "logs"));
  expect((await read({})).at(-1)).toMatchObject({ isEnd: true, isTruncated: true });
});

test("begins anew when the run does", async () => {
  const first = await open();
  await first.write("stdout", bytes("of an earlier try"), 1);
  await first.close();
  const second = await open({ isFresh: true });
  await second.write("stdout", bytes("now"), 2);
  await second.close();
  expect(textOf(await read({}))).toBe("now");
  expect(await raw()).toEqual({ stdout: "now", stderr: "" });
});

test("forgets", async () => {
  await (await open()).close();
  await logs.forget(executionId);
  await logs.forget(executionId);
  await expect(read({})).rejects.toMatchObject({ reason: "EXECUTION_NOT_FOUND" });
});

describe("after a crash", () => {
  const logPath = (): string => join(folder, "logs", `${executionId}.log`);

  beforeEach(async () => {
    const log = await open();
    await log.write("stdout", bytes("first\n"), 1);
    await log.write("stderr", bytes("second\n"), 2);
    await log.close();
    logs = new OutputLogFolder(join(folder, "logs"));
  });

  test.each([
    ["a torn last frame", () => truncateBy(logPath(), 3), { stdout: "first\n", stderr: "" }],
    ["a torn header after the last frame", () => appendFile(logPath(), Buffer.from([1, 64, 0])), { stdout: "first\n", stderr: "second\n" }],
    ["a hole of zeros after the last frame", () => appendFile(logPath(), Buffer.alloc(100)), { stdout: "first\n", stderr: "second\n" }],
    ["raw files that miss the end", () => truncateBy(join(rawFolder, "stdout"), 2), { stdout: "first\n", stderr: "second\n" }],
    [
      "raw files that have more",
      () => writeFile(join(rawFolder, "stdout"), "quite something else"),
      { stdout: "first\n", stderr: "second\n" },
    ],
  ])("%s is repaired, and the log goes on", async (_what, damage, left) => {
    await damage();
    const log = await open({ isFresh: false });
    expect({ stdout: log.bytesTaken("stdout"), stderr: log.bytesTaken("stderr") }).toEqual({
      stdout: left.stdout.length,
      stderr: left.stderr.length,
    });
    await log.write("stdout", bytes("third\n"), 3);
    await log.close();
    expect(await raw()).toEqual({ stdout: `${left.stdout}third\n`, stderr: left.stderr });
    expect(textOf(await read({}))).toBe(`${left.stdout}${left.stderr}third\n`);
  });
});

test("loses nothing that it took when its process is killed", async () => {
  const child = fork(join(import.meta.dirname, "testdata", "output-writer.ts"), [folder, executionId], {
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let taken = 0;
  child.on("message", (count) => {
    taken = Number(count);
    if (taken >= 500) child.kill("SIGKILL");
  });
  await once(child, "exit");
  const log = await open({ isFresh: false });
  await log.close();
  const text = textOf(await read({}));
  const lines = text.split("\n").slice(0, -1);
  expect(lines.length).toBeGreaterThanOrEqual(taken);
  expect(lines).toEqual(lines.map((_, index) => `line ${index + 1}`));
  expect(await raw()).toEqual({ stdout: text, stderr: "" });
});

function open({ isFresh = true } = {}): Promise<OutputLog> {
  return logs.open(executionId, { rawFolder, isFresh });
}

function query(part: Partial<LogQuery>): LogQuery {
  return { executionId, fromOffset: 0, tailBytes: 0, isFollowing: false, ...part };
}

async function read(part: Partial<LogQuery>, signal = AbortSignal.timeout(20_000)): Promise<LogChunk[]> {
  const chunks: LogChunk[] = [];
  for await (const chunk of logs.read(query(part), signal)) chunks.push(chunk);
  return chunks;
}

function textOf(chunks: readonly LogChunk[]): string {
  return Buffer.concat(chunks.map(({ data }) => data)).toString();
}

async function raw(): Promise<Record<string, string>> {
  return { stdout: await readFile(join(rawFolder, "stdout"), "utf8"), stderr: await readFile(join(rawFolder, "stderr"), "utf8") };
}

async function truncateBy(path: string, count: number): Promise<void> {
  await truncate(path, (await stat(path)).size - count);
}
