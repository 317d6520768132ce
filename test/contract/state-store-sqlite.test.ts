import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DomainError, hasReason } from "@skrei/domain";
import { createSqliteStateStore } from "../../services/scheduler/src/adapters/sqlite-state-store.ts";
import type { Clock, StateStore } from "../../services/scheduler/src/ports.ts";

const clock: Clock = { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) };
const WRITER = fileURLToPath(new URL("state-store-writer.ts", import.meta.url));

describe("SQLite state store in its folder", () => {
  let folder: string;
  let path: string;
  const children: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "skrei-store-"));
    path = join(folder, "state.db");
  });
  afterEach(async () => {
    for (const kill of children.splice(0)) await kill();
    await rm(folder, { recursive: true, force: true });
  });

  /** A process that commits job after job and prints the sequence number of each that was acknowledged. */
  async function startWriter(): Promise<{
    pid: number;
    acknowledged(): number;
    until(count: number): Promise<void>;
    kill(): Promise<void>;
  }> {
    const child = spawn(process.execPath, [WRITER, path], { stdio: ["ignore", "pipe", "inherit"] });
    const exit = once(child, "exit");
    const kill = async (): Promise<void> => {
      child.kill("SIGKILL");
      await exit;
    };
    children.push(kill);
    let acknowledged = 0;
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const until = async (count: number): Promise<void> => {
      while (acknowledged < count) {
        const line = await lines.next();
        if (line.done === true) throw new Error(`the writer ended after ${acknowledged}`);
        acknowledged = Number(line.value);
      }
    };
    await until(1);
    return { pid: child.pid ?? 0, acknowledged: () => acknowledged, until, kill };
  }

  async function opened(): Promise<StateStore> {
    const store = createSqliteStateStore({ path, clock });
    await store.start();
    return store;
  }

  test("refuses a second process and names the first", async () => {
    const writer = await startWriter();
    const error = await opened().catch((thrown: unknown) => thrown);
    expect(error).toSatisfy((thrown) => hasReason(thrown, "DATA_LOCKED"));
    expect(error).toMatchObject({ kind: "conflict", metadata: { pid: String(writer.pid) } });
    expect((error as DomainError).message).toContain(`process ${writer.pid}`);
  });

  test("refuses a second store of the same process, and opens again after a stop", async () => {
    const first = await opened();
    await expect(opened()).rejects.toMatchObject({ reason: "DATA_LOCKED", metadata: { pid: String(process.pid) } });
    await first.stop();
    await first.stop();
    await (await opened()).stop();
  });

  test("has every acknowledged commit after a kill -9, and opens at once", async () => {
    for (let round = 1; round <= 3; round++) {
      const writer = await startWriter();
      await writer.until(writer.acknowledged() + 100 * round);
      await writer.kill();
      const store = await opened();
      const { lastSequence } = await store.eventRange();
      expect(lastSequence).toBeGreaterThanOrEqual(writer.acknowledged());
      expect(await store.listEvents(0, 100_000)).toHaveLength(lastSequence);
      expect(await store.countJobs()).toBe(lastSequence);
      expect((await store.loadLive()).executions).toHaveLength(lastSequence);
      await store.stop();
    }
  });

  test("keeps its file from others", async () => {
    const store = await opened();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await store.stop();
  });

  test("refuses a file of a newer version", async () => {
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    await expect(opened()).rejects.toMatchObject({ kind: "precondition", reason: "DATA_TOO_NEW" });
  });

  test("says so when the path cannot be used", async () => {
    path = join(folder, "state.db", "deeper");
    await (await opened()).stop();
    path = join(folder, "state.db", "deeper", "still.db");
    await expect(opened()).rejects.toMatchObject({ kind: "unavailable", reason: "STORE_UNAVAILABLE" });
  });
});
