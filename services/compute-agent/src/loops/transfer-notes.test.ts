import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ExecutionId, Transfer } from "@skrei/domain";
import { silentLogger } from "@skrei/platform/logger.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aTask, anAssignment } from "../../../../test/kit/an-assignment.ts";
import { SqliteJournal } from "../adapters/execution-journal.ts";
import type { Clock } from "../ports.ts";
import { HeldExecutions } from "./held-executions.ts";
import { TransferNotes } from "./transfer-notes.ts";

let nowMs: number;
let folder: string;
let journal: SqliteJournal;
let held: HeldExecutions;
let executionId: ExecutionId;
let told: (Transfer | undefined)[];
const clock: Clock = { nowMs: () => nowMs, sleep: () => Promise.reject(new Error("not called")) };

beforeEach(async () => {
  nowMs = 0;
  told = [];
  folder = await mkdtemp(join(tmpdir(), "transfer-"));
  journal = new SqliteJournal(join(folder, "journal.db"));
  held = new HeldExecutions({ journal, clock, logger: silentLogger });
  const assignment = anAssignment(aTask("true"));
  ({ executionId } = assignment);
  const set = { appliesTo: "", resultsIn: "c.1", isComplete: false, releasedExecutionIds: [], releasedAskIds: [] };
  await held.apply({ ...set, assignments: [assignment] });
  held.advance(executionId, "preparing");
  held.listen({ observed: () => told.push(held.get(executionId)?.observed.transfer) });
});
afterEach(async () => {
  await held.close();
  journal[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

function notes(): TransferNotes {
  return new TransferNotes({ executionId, kind: "inputs", held, clock });
}

test("a transfer that is over within a second is not told of", () => {
  {
    using transfer = notes();
    for (nowMs = 0; nowMs < 1_000; nowMs += 250) transfer.progress({ bytesDone: nowMs, bytesTotal: 1_000 });
  }
  expect(told).toEqual([]);
});

test("a long one is told of every two seconds, its parts together, and no more when it is over", () => {
  {
    using transfer = notes();
    for (nowMs = 0; nowMs <= 10_000; nowMs += 250) {
      transfer.progress({ bytesDone: nowMs, bytesTotal: 20_000 }, 0);
      transfer.progress({ bytesDone: 5, bytesTotal: 10 }, 1);
    }
  }
  expect(told.length).toBe(6);
  expect(told[1]).toEqual({ kind: "inputs", bytesDone: 3_005, bytesTotal: 20_010 });
  expect(told.at(-1)).toBeUndefined();
});

test("one that does not move at all is told of after a second too", async () => {
  const slept = Promise.withResolvers<void>();
  const asleep: number[] = [];
  const sleep: Clock["sleep"] = (delayMs) => {
    asleep.push(delayMs);
    return slept.promise;
  };
  {
    using _ = new TransferNotes({ executionId, kind: "inputs", held, clock: { nowMs: () => nowMs, sleep } });
    expect([told, asleep]).toEqual([[], [1_000]]);
    slept.resolve();
    await nextTurn();
    expect(told).toEqual([{ kind: "inputs", bytesDone: 0, bytesTotal: 0 }]);
  }
  expect(told.at(-1)).toBeUndefined();
});

test("one that was over before is not", async () => {
  const slept = Promise.withResolvers<void>();
  const sleep: Clock["sleep"] = () => slept.promise;
  new TransferNotes({ executionId, kind: "inputs", held, clock: { nowMs: () => nowMs, sleep } })[Symbol.dispose]();
  slept.resolve();
  await nextTurn();
  expect(told).toEqual([]);
});

test("a part whose size is not known makes the whole unknown", () => {
  using transfer = notes();
  nowMs = 1_000;
  transfer.progress({ bytesDone: 7, bytesTotal: 0 }, 0);
  transfer.progress({ bytesDone: 5, bytesTotal: 10 }, 1);
  expect(told[0]).toEqual({ kind: "inputs", bytesDone: 7, bytesTotal: 0 });
});

test("why it waits is told at once, and again only for another reason; what moves again ends the waiting", () => {
  using transfer = notes();
  transfer.waits({ reason: "TARGET_UNAVAILABLE", message: "no answer" });
  nowMs = 500;
  transfer.waits({ reason: "TARGET_UNAVAILABLE", message: "still none" });
  transfer.progress({ bytesDone: 0, bytesTotal: 10 });
  expect(told).toMatchObject([{ waiting: { reason: "TARGET_UNAVAILABLE", message: "no answer", sinceMs: 0 } }]);
  transfer.waits({ reason: "UPSTREAM_UNAVAILABLE", message: "no store" });
  expect(told[1]?.waiting).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE", sinceMs: 500 });
  transfer.progress({ bytesDone: 0, bytesTotal: 10 });
  transfer.progress({ bytesDone: 3, bytesTotal: 10 });
  expect(told[2]).toEqual({ kind: "inputs", bytesDone: 3, bytesTotal: 10 });
});

test("a move of the execution ends what was on its way", () => {
  using transfer = notes();
  transfer.waits({ reason: "SOURCE_UNREACHABLE", message: "no answer" });
  held.advance(executionId, "started");
  expect(told.at(-1)).toBeUndefined();
});
