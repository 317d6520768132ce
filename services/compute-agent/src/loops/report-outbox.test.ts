import type { ExecutionReport } from "@skrei/domain";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { DomainError, LIMITS } from "@skrei/domain";
import { systemClock } from "@skrei/platform/clock.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { ReportRequestSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { reportToProto } from "@skrei/wire/report.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aTask, anAssignment } from "../../../../test/kit/an-assignment.ts";
import { eventually } from "../../../../test/kit/eventually.ts";
import { SqliteJournal } from "../adapters/execution-journal.ts";
import type { Assignment, SchedulerPort } from "../ports.ts";
import { HeldExecutions } from "./held-executions.ts";
import { ReportOutbox } from "./report-outbox.ts";

interface Message {
  readonly reports: readonly ExecutionReport[];
  readonly isComplete: boolean;
  readonly answer: PromiseWithResolvers<void>;
}

const stop = new AbortController();
let messages: Message[];
let folder: string;
let journal: SqliteJournal;
let held: HeldExecutions;
let outbox: ReportOutbox;

/** Answers when the test says so. */
const scheduler: SchedulerPort = {
  join: () => Promise.reject(new Error("not called")),
  heartbeat: () => Promise.reject(new Error("not called")),
  report: async ({ reports, isComplete }) => {
    const answer = Promise.withResolvers<void>();
    messages.push({ reports, isComplete, answer });
    await answer.promise;
  },
};

beforeEach(async () => {
  messages = [];
  folder = await mkdtemp(join(tmpdir(), "outbox-"));
  journal = new SqliteJournal(join(folder, "journal.db"));
  held = new HeldExecutions({ journal, clock: systemClock, logger: silentLogger });
  outbox = new ReportOutbox({ held, scheduler, clock: systemClock, logger: silentLogger });
});
afterEach(async () => {
  await held.close();
  journal[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

test("what happens while a message is on its way goes into the next, latest states only", async () => {
  const [one, two] = await hold(2);
  const running = run();
  const first = await message(1);
  expect(statesOf(first)).toEqual(["preparing", "preparing"]);
  for (const event of ["started", "proposed"] as const) held.advance(one.executionId, event);
  held.advance(two.executionId, "started");
  first.answer.resolve();
  expect(statesOf(await message(2))).toEqual(["proposing", "running"]);
  await end(running);
});

test("what was not taken is sent again", async () => {
  await hold(1);
  const running = run();
  (await message(1)).answer.reject(new DomainError("unavailable", "STORE_UNAVAILABLE", "not now"));
  expect(statesOf(await message(2))).toEqual(["preparing"]);
  await end(running);
});

test("a complete report names everything, though half of it is on its way already", async () => {
  await hold(2);
  const running = run();
  const first = await message(1);
  outbox.reportAll();
  await hold(1, "c.2");
  first.answer.resolve();
  const second = await message(2);
  expect({ isComplete: second.isComplete, states: statesOf(second) }).toEqual({
    isComplete: true,
    states: ["preparing", "preparing", "preparing"],
  });
  await end(running);
});

test("a complete report leaves out what live executions do on the network, and it follows", async () => {
  const [one, two] = await hold(2);
  const use = { hosts: [], requests: 1, denied: 0, sentBytes: 5, receivedBytes: 7 };
  for (const { executionId } of [one, two]) held.noteUse(executionId, use);
  held.advance(two.executionId, "stopped");
  outbox.reportAll();
  const running = run();
  const first = await message(1);
  expect(first.isComplete).toBe(true);
  expect(usesOf(first)).toEqual({ [one.executionId]: undefined, [two.executionId]: use });
  first.answer.resolve();
  const second = await message(2);
  expect(second.isComplete).toBe(false);
  expect(usesOf(second)).toEqual({ [one.executionId]: use });
  await end(running);
});

test("a complete report leaves out what live executions got as inputs, and it follows; what they wait for it tells", async () => {
  const [one] = await hold(1);
  const inputs = [{ target: "/in", digest: "cid:x", sizeBytes: 1, movedBytes: 1 }];
  const waiting = { reason: "TARGET_UNAVAILABLE", message: "no answer", sinceMs: 1 } as const;
  held.note(one.executionId, { inputs });
  held.noteTransfer(one.executionId, { kind: "result", bytesDone: 0, bytesTotal: 0, waiting });
  outbox.reportAll();
  const running = run();
  const first = await message(1);
  expect(first).toMatchObject({ isComplete: true, reports: [{ transfer: { waiting } }] });
  expect(first.reports[0]).not.toHaveProperty("inputs");
  first.answer.resolve();
  expect(await message(2)).toMatchObject({ isComplete: false, reports: [{ inputs, transfer: { waiting } }] });
  await end(running);
});

test("long lists of inputs go in messages that the bus takes", async () => {
  const assignments = await hold(40);
  const inputs = Array.from({ length: 64 }, (_, index) => ({
    target: `/${"é".repeat(200)}/${index}`,
    digest: `sha256:${"0".repeat(64)}`,
    sizeBytes: 2 ** 40,
    movedBytes: 2 ** 40,
  }));
  for (const { executionId } of assignments) {
    held.note(executionId, { inputs });
    held.advance(executionId, "started");
  }
  const running = run();
  for (let number = 1, told = 0; told < 40; number++) {
    const { reports, answer } = await message(number);
    told += reports.length;
    const bytes = toBinary(ReportRequestSchema, create(ReportRequestSchema, { reports: reports.map(reportToProto) })).length;
    expect(bytes).toBeLessThanOrEqual(LIMITS.busBatchBytesMax);
    if (told < 40) answer.resolve();
  }
  await end(running);
});

test("long lists of hosts go in messages that the bus takes", async () => {
  const assignments = await hold(20);
  const host = {
    requests: 1,
    denied: 1,
    sentBytes: 5,
    receivedBytes: 7,
    rule: "",
    reason: "EGRESS_ADDRESS_DENIED",
    message: "m".repeat(700),
  };
  const hosts = Array.from({ length: 64 }, (_, index) => ({ ...host, host: `${index}.example.com` }));
  for (const { executionId } of assignments)
    held.noteUse(executionId, { hosts, requests: 64, denied: 64, sentBytes: 320, receivedBytes: 448 });
  const running = run();
  for (let number = 1, told = 0; told < 20; number++) {
    const { reports, answer } = await message(number);
    told += reports.length;
    const bytes = toBinary(ReportRequestSchema, create(ReportRequestSchema, { reports: reports.map(reportToProto) })).length;
    expect(bytes).toBeLessThanOrEqual(LIMITS.busBatchBytesMax);
    if (told < 20) answer.resolve();
  }
  await end(running);
});

test("a complete report that failed is complete again", async () => {
  outbox.reportAll();
  const running = run();
  (await message(1)).answer.reject(new DomainError("unavailable", "STORE_UNAVAILABLE", "not now"));
  expect(await message(2)).toMatchObject({ isComplete: true, reports: [] });
  await end(running);
});

test("more than a message holds goes in several, and none claims to be complete", async () => {
  await hold(1_500);
  outbox.reportAll();
  const running = run();
  const first = await message(1);
  first.answer.resolve();
  const second = await message(2);
  expect([first, second].map(({ isComplete, reports }) => ({ isComplete, count: reports.length }))).toEqual([
    { isComplete: false, count: 1_000 },
    { isComplete: false, count: 500 },
  ]);
  await end(running);
});

test("does not tell the scheduler what it said itself", async () => {
  const set = {
    appliesTo: "",
    resultsIn: "c.1",
    isComplete: false,
    assignments: [anAssignment(aTask("true"))],
    releasedExecutionIds: [],
    releasedAskIds: [],
  };
  await held.apply(set);
  expect(await outbox.sendNext("a-session", stop.signal)).toBe(false);
});

test("ends with the session", async () => {
  await hold(1);
  const running = run();
  (await message(1)).answer.reject(new DomainError("precondition", "SESSION_ENDED", "join again"));
  await expect(running).rejects.toMatchObject({ reason: "SESSION_ENDED" });
});

function run(): Promise<never> {
  const running = outbox.run("a-session", stop.signal);
  running.catch(() => undefined); // Each test ends it.
  return running;
}

async function end(running: Promise<never>): Promise<void> {
  messages.at(-1)?.answer.reject(new DomainError("precondition", "SESSION_ENDED", "the test is over"));
  await expect(running).rejects.toMatchObject({ reason: "SESSION_ENDED" });
}

async function hold(count: number, token = "c.1"): Promise<[Assignment, Assignment]> {
  const assignments = Array.from({ length: count }, () => anAssignment(aTask("true")));
  const set = {
    appliesTo: held.appliedToken,
    resultsIn: token,
    isComplete: false,
    assignments,
    releasedExecutionIds: [],
    releasedAskIds: [],
  };
  await held.apply(set);
  for (const { executionId } of assignments) held.advance(executionId, "preparing");
  return assignments as [Assignment, Assignment];
}

async function message(number: number): Promise<Message> {
  const found = await eventually(
    () => messages[number - 1],
    (value) => value !== undefined,
    { withinMs: 5_000 },
  );
  if (found === undefined) throw new Error("unreachable");
  return found;
}

function usesOf({ reports }: Message): Record<string, unknown> {
  return Object.fromEntries(reports.map(({ executionId, networkUse }) => [executionId, networkUse]));
}

function statesOf({ reports }: Message): string[] {
  return reports.map(({ state }) => state);
}
