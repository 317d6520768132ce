import { systemClock, systemRandomness } from "@skrei/platform/clock.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { expect, test } from "vitest";
import { createSqliteStateStore } from "../adapters/sqlite-state-store.ts";
import { runLease } from "./lease-loop.ts";
import type { LeaderParts } from "./term-context.ts";

test("a term that ended by a failure is not led again: what it told nodes must not be taken for the next one's", async () => {
  const store = createSqliteStateStore({ path: ":memory:", clock: systemClock });
  await store.start();
  const stopped = new AbortController();
  const terms: number[] = [];
  const lead = async (term: number): Promise<void> => {
    terms.push(term);
    if (terms.length === 2) stopped.abort(new Error("stopped"));
    throw new Error("a loop of the term failed");
  };
  await runLease({ store, ...PARTS }, lead, stopped.signal);
  await store.stop();
  expect(new Set(terms).size).toBe(2);
});

const PARTS: Omit<LeaderParts, "store"> = {
  clock: systemClock,
  randomness: systemRandomness,
  logger: silentLogger,
  holder: "test",
  agents: {
    ask: () => Promise.resolve([]),
    assign: (_node, set) => Promise.resolve(set.resultsIn),
    explainEgress: () => Promise.reject(new Error("a lease has no network")),
    describeData: () => Promise.reject(new Error("a lease has no data")),
    streamLogs: () => {
      throw new Error("a lease has no output");
    },
  },
  options: {
    heartbeatIntervalMs: 1_000,
    heartbeatTimeoutMs: 60_000,
    bidWindowMs: 500,
    bidFanout: 3,
    tickIntervalMs: 1,
    sweepIntervalMs: 1_000,
    leaseTtlMs: 3_000,
    jobRetentionMs: 3_600_000,
    nodeRetentionMs: 3_600_000,
    approvesNodes: true,
  },
};
