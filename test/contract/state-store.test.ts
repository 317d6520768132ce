import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import { createRedisStateStore } from "../../services/scheduler/src/adapters/redis-state-store.ts";
import { createSqliteStateStore } from "../../services/scheduler/src/adapters/sqlite-state-store.ts";
import type { Clock, StateStore } from "../../services/scheduler/src/ports.ts";
import { startRedisServer, type RedisServer } from "../kit/redis-server.ts";
import { describeStateStore, type StateStoreHarness } from "./state-store-suite.ts";

describeStateStore("SQLite in a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skrei-store-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return await harnessOf((clock) => createSqliteStateStore({ path: join(folder, "data", "state.db"), clock }), remove);
});

describeStateStore("SQLite in memory", () => harnessOf((clock) => createSqliteStateStore({ path: ":memory:", clock })));

let server: RedisServer;
let prefixes = 0;
beforeAll(async () => {
  server = await startRedisServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describeStateStore("Redis", () => harnessOf((clock) => createRedisStateStore({ url: server.url, prefix: `test-${++prefixes}`, clock })));

async function harnessOf(create: (clock: Clock) => StateStore, remove = async (): Promise<void> => undefined): Promise<StateStoreHarness> {
  let offsetMs = 0;
  const nowMs = (): number => Date.now() + offsetMs;
  const store = create({ nowMs, sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) });
  await store.start();
  return {
    store,
    nowMs,
    advanceClock: (byMs) => {
      offsetMs += byMs;
    },
    [Symbol.asyncDispose]: async () => {
      await store.stop();
      await remove();
    },
  };
}
