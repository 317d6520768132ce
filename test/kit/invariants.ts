import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Execution, Job, JobEvent, JobId } from "@skrei/domain";
import { isExecutionEnded, isJobEnded } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { systemClock } from "@skrei/platform/clock.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { expect } from "vitest";
import { createRedisStateStore } from "../../services/scheduler/src/adapters/redis-state-store.ts";
import type { StateStore } from "../../services/scheduler/src/ports.ts";
import type { Cluster } from "./cluster.ts";
import { containersOf } from "./docker-leftovers.ts";
import { brokenRules, type StoredTruth } from "./event-log-rules.ts";
import { eventually } from "./eventually.ts";

/**
 * What holds whatever broke, once nothing is broken any more: every acknowledged job is there and has ended, the books are right,
 * and nothing is left of the executions on any node. Call it when the cluster is idle.
 */
export async function expectInvariants(cluster: Cluster, acknowledged: readonly string[] = []): Promise<void> {
  await expectNothingLeft(cluster);
  const truth = await readTruth(await cluster.reach(cluster.redis.url));
  const states = new Map<string, string>(truth.jobs.map(({ id, state }) => [id, state]));
  expect(acknowledged.filter((id) => !states.has(id))).toEqual([]);
  expect(truth.jobs.filter(({ state }) => !isJobEnded(state)).map(({ id, state }) => `${id} ${state}`)).toEqual([]);
  expect(truth.executions.filter(({ state }) => !isExecutionEnded(state)).map(({ id, state }) => `${id} ${state}`)).toEqual([]);
  expect(brokenRules(truth)).toEqual([]);
}

/** No container, scratch folder, door or pinned input of an ended execution; an agent clears away in its own time. */
export async function expectNothingLeft(cluster: Cluster): Promise<void> {
  await eventually(
    () => leftovers(cluster),
    (left) => left.length === 0,
    { withinMs: 20_000, everyMs: 250 },
  );
}

async function leftovers({ agents, fetcher, proxy, reach }: Cluster): Promise<readonly string[]> {
  const left: string[] = [];
  for (const { nodeId, name, dataFolder } of agents) {
    const tasks = (await containersOf(nodeId)).filter(({ role }) => role === "task");
    left.push(...tasks.map(({ executionId, state }) => `container of ${executionId} on ${name}, ${state}`));
    left.push(...(await readdir(join(dataFolder, "executions"))).map((folder) => `folder of ${folder} on ${name}`));
  }
  const { doors } = await createClient(DoorService, createHttpTransport({ url: await reach(proxy.url) })).listDoors({});
  left.push(...doors.map(({ executionId }) => `door of ${executionId}`));
  const { pinnedEntries } = await createClient(FetchService, createHttpTransport({ url: await reach(fetcher.url) })).getCacheState({});
  return pinnedEntries === 0 ? left : [...left, `${pinnedEntries} pinned inputs`];
}

/** Everything from the store itself, past the scheduler. */
async function readTruth(url: string): Promise<StoredTruth> {
  const store = createRedisStateStore({ url, prefix: "skrei", clock: systemClock });
  await store.start();
  try {
    const events = await readAll<JobEvent, number>(
      (after) => store.listEvents(after ?? 0, PAGE_SIZE),
      ({ sequence }) => sequence,
    );
    const jobs = await readAll<Job, JobId>(
      (before) => store.listJobs({ states: [], namespace: undefined, before, limit: PAGE_SIZE }),
      ({ id }) => id,
    );
    return { events, jobs, executions: await readExecutions(store, jobs), nodes: await store.listNodes() };
  } finally {
    await store.stop();
  }
}

async function readExecutions(store: StateStore, jobs: readonly Job[]): Promise<readonly Execution[]> {
  const executions: Execution[] = [];
  for (const { id } of jobs)
    executions.push(
      ...(await readAll<Execution, Execution["id"]>(
        (after) => store.listExecutions(id, after, PAGE_SIZE),
        (execution) => execution.id,
      )),
    );
  return executions;
}

async function readAll<Item, Key>(
  read: (after: Key | undefined) => Promise<readonly Item[]>,
  keyOf: (item: Item) => Key,
): Promise<readonly Item[]> {
  const all: Item[] = [];
  for (;;) {
    const last = all.at(-1);
    const page = await read(last === undefined ? undefined : keyOf(last));
    if (page.length === 0) return all;
    all.push(...page);
  }
}

const PAGE_SIZE = 1_000;
