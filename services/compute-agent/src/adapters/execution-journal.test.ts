import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { ExecutionId } from "@skrei/domain";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aTask, anAssignment } from "../../../../test/kit/an-assignment.ts";
import { NO_DOOR } from "../domain/run.ts";
import { newRecord } from "../domain/execution-record.ts";
import { SqliteJournal } from "./execution-journal.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "journal-"));
  path = join(folder, "journal.db");
});
afterEach(() => rm(folder, { recursive: true }));

test("begins empty, readable by nobody else", async () => {
  using journal = new SqliteJournal(path);
  expect(journal.read()).toEqual({ appliedToken: "", records: [] });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("reads back what was saved, changed and forgotten", async () => {
  const [one, two] = [newRecord(anAssignment(aTask("true"))), newRecord(anAssignment(aTask("false")))];
  const changed = { ...one, observed: { state: "running", startedAtMs: 7 }, revision: 2 } as const;
  {
    using journal = new SqliteJournal(path);
    await Promise.all([
      journal.save({ appliedToken: "c.1", records: [one, two], forgotten: [] }),
      journal.save({ appliedToken: "c.2", records: [changed], forgotten: [two.assignment.executionId] }),
    ]);
  }
  using journal = new SqliteJournal(path);
  expect(journal.read()).toEqual({ appliedToken: "c.2", records: [changed] });
});

test("a wish that changes is saved with the record", async () => {
  const record = newRecord(anAssignment(aTask("true")));
  const stopped = { ...record, assignment: { ...record.assignment, desired: "stop" } } as const;
  {
    using journal = new SqliteJournal(path);
    await journal.save({ appliedToken: "c.1", records: [record], forgotten: [] });
    await journal.save({ appliedToken: "c.2", records: [stopped], forgotten: [] });
  }
  using journal = new SqliteJournal(path);
  expect(journal.read().records).toEqual([stopped]);
});

test("completes what an agent wrote that knew no networks and of inputs the digests only", async () => {
  const record = newRecord(anAssignment(aTask("true")));
  const { executionId, job } = record.assignment;
  const run = { executionId, jobId: job.jobId, epoch: 1, env: {}, mounts: [], network: "none" };
  {
    using journal = new SqliteJournal(path);
    await journal.save({ appliedToken: "c.1", records: [record], forgotten: [] });
  }
  {
    using database = new DatabaseSync(path);
    const old = { ...record.assignment, job: { ...job, task: { ...job.task, network: { mode: "none" } } } };
    const progress = {
      observed: { state: "running", run, inputDigests: { "/in": "cid:x" } },
      revision: 2,
      reportedRevision: 2,
      isReleased: false,
    };
    database.prepare("UPDATE execution SET assignment = ?, progress = ?").run(JSON.stringify(old), JSON.stringify(progress));
  }
  using journal = new SqliteJournal(path);
  const [read] = journal.read().records;
  expect(read?.assignment).toEqual(record.assignment);
  const inputs = [{ target: "/in", digest: "cid:x", sizeBytes: 0, movedBytes: 0 }];
  expect(read?.observed).toEqual({ state: "running", run: { ...run, door: NO_DOOR }, inputs });
});

test("tells whoever saves that the disk does not take it", async () => {
  const journal = new SqliteJournal(path);
  const saved = journal.save({ appliedToken: "c.1", records: [], forgotten: ["e-1" as ExecutionId] });
  journal[Symbol.dispose]();
  await saved;
  await expect(journal.save({ appliedToken: "c.2", records: [], forgotten: [] })).rejects.toThrow("not open");
});

test("refuses the journal of a newer agent", async () => {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path);
  database.exec("PRAGMA user_version = 99");
  database.close();
  expect(() => new SqliteJournal(path)).toThrow("schema 99");
});

test("loses nothing that it acknowledged when its process is killed", async () => {
  for (let round = 1; round <= 3; round++) {
    const child = fork(join(import.meta.dirname, "testdata", "journal-writer.ts"), [path], {
      execArgv: [],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let acknowledged = 0;
    child.on("message", (count) => {
      acknowledged = Number(count);
      if (acknowledged >= 100 * round) child.kill("SIGKILL");
    });
    await once(child, "exit");
    using journal = new SqliteJournal(path);
    const { appliedToken, records } = journal.read();
    const saved = Number(appliedToken.slice(2));
    expect(saved).toBeGreaterThanOrEqual(acknowledged);
    expect(records.map(({ revision }) => revision)).toEqual([saved]);
  }
});
