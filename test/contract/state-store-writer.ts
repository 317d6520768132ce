import { setTimeout as delay } from "node:timers/promises";
import { createSqliteStateStore } from "../../services/scheduler/src/adapters/sqlite-state-store.ts";
import { aChange, aJob, anEvent, anExecution } from "./state-store-records.ts";

/** Commits jobs until it is killed; prints the sequence number of each acknowledged commit. Run by `state-store-sqlite.test.ts`. */
const store = createSqliteStateStore({
  path: process.argv[2] ?? "",
  clock: { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) },
});
await store.start();
const lease = await store.acquireLease({ holder: `writer-${process.pid}`, ttlMs: 1 });
let { lastSequence } = await store.eventRange();
while (lease.isHeld) {
  const job = aJob();
  await store.commit(aChange(lease.term, { jobs: [job], executions: [anExecution(job)], events: [anEvent(++lastSequence, job.id)] }));
  process.stdout.write(`${lastSequence}\n`);
}
