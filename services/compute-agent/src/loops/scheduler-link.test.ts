import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_NODE_NETWORK, type NodeNetwork } from "@skrei/domain";
import { systemClock } from "@skrei/platform/clock.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../../../test/kit/eventually.ts";
import { SqliteJournal } from "../adapters/execution-journal.ts";
import type { DoorPort, SchedulerPort } from "../ports.ts";
import { HeldExecutions } from "./held-executions.ts";
import { OfferWatch } from "./offer-watch.ts";
import { ReportOutbox } from "./report-outbox.ts";
import { SchedulerLink } from "./scheduler-link.ts";

const HOUR_MS = 3_600_000;
const session = { epoch: 1, session: "s-1", heartbeatIntervalMs: HOUR_MS, isApproved: true, clusterUrls: ["nats://bus:4222"] };
const node = { name: "n", labels: {}, capacity: { cpuMillis: 1, memoryBytes: 1, diskBytes: 1 }, version: "0" };
const unused = () => Promise.reject(new Error("not called"));
let folder: string;
let journal: SqliteJournal;
let held: HeldExecutions;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "link-"));
  journal = new SqliteJournal(join(folder, "journal.db"));
  held = new HeldExecutions({ journal, clock: systemClock, logger: silentLogger });
});
afterEach(async () => {
  await held.close();
  journal[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

test("a policy that came too late for a heartbeat makes the next one, an hour early", async () => {
  const told: NodeNetwork[] = [];
  const answers = [Promise.withResolvers<NodeNetwork>(), Promise.withResolvers<NodeNetwork>()];
  let asked = 0;
  const doors = { policy: () => answers[asked++]?.promise ?? unused() } as Pick<DoorPort, "policy"> as DoorPort;
  const scheduler: SchedulerPort = {
    join: async ({ network }) => {
      told.push(network);
      return session;
    },
    heartbeat: async ({ network }) => {
      told.push(network);
      return { nextIntervalMs: HOUR_MS, reportsAll: false };
    },
    report: async () => undefined,
  };
  const parts = { held, clock: systemClock, logger: silentLogger, scheduler };
  const offers = new OfferWatch({ ...parts, executors: new Map(), doors });
  const outbox = new ReportOutbox(parts);
  const link = new SchedulerLink({ ...parts, node, offers, outbox, random: () => 0 });
  const stop = new AbortController();
  const running = link.run(stop.signal);
  const count = (expected: number): Promise<number> =>
    eventually(
      () => told.length,
      (length) => length === expected,
      { withinMs: 10_000 },
    );
  await count(2);
  const first = { ...NO_NODE_NETWORK, policyDigest: "d-1" };
  answers[0]?.resolve(first);
  await count(3);
  expect(told.map(({ modes, policyDigest }) => ({ modes, policyDigest }))).toEqual([
    { modes: [], policyDigest: "" },
    { modes: [], policyDigest: "" },
    { modes: ["none"], policyDigest: "d-1" },
  ]);
  answers[1]?.resolve({ ...first, policyDigest: "d-2" });
  await count(4);
  expect(told.at(-1)?.policyDigest).toBe("d-2");
  stop.abort(new Error("the test is over"));
  await running;
});

test("whoever needs the session waits for the first one, but not for ever", async () => {
  const joining = Promise.withResolvers<typeof session>();
  const scheduler: SchedulerPort = {
    join: () => joining.promise,
    heartbeat: async () => ({ nextIntervalMs: HOUR_MS, reportsAll: false }),
    report: async () => undefined,
  };
  const parts = { held, clock: systemClock, logger: silentLogger, scheduler };
  const doors = { policy: async () => NO_NODE_NETWORK } as Pick<DoorPort, "policy"> as DoorPort;
  const offers = new OfferWatch({ ...parts, executors: new Map(), doors });
  const link = new SchedulerLink({ ...parts, node, offers, outbox: new ReportOutbox(parts), random: () => 0 });
  const stop = new AbortController();
  const running = link.run(stop.signal);
  const waiting = link.sessionWithin(stop.signal);
  await expect(link.sessionWithin(AbortSignal.abort(new Error("no time left")))).rejects.toThrow("no time left");
  joining.resolve(session);
  expect(await waiting).toBe(session);
  stop.abort(new Error("the test is over"));
  await running;
});
