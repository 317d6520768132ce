import type { Redis } from "ioredis";
import { DomainError, JOB_STATES, isExecutionEnded, isJobEnded, type Execution, type Job, type JobId, type Node } from "@skrei/domain";
import type { LiveState } from "../../ports.ts";
import { indexStems, type RedisKeys } from "../keys.ts";
import type { Connection } from "./connection.ts";
import { parseRecords } from "./records.ts";

/** Reads in pages; a commit in between makes it begin again, so that what it returns is of one moment. */
export async function readLiveState(connection: Connection, keys: RedisKeys): Promise<{ live: LiveState; commitNumber: number }> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const before = await readPosition(connection, keys);
    const jobs = await readLiveJobs(connection, keys);
    const executions = await readExecutions(connection, keys, jobs);
    const nodes = parseRecords<Node>(await connection.run((client) => client.hvals(keys.nodes)));
    const after = await readPosition(connection, keys);
    if (before.commitNumber === after.commitNumber) {
      return { live: { nodes, jobs, executions, lastSequence: after.lastSequence }, commitNumber: after.commitNumber };
    }
  }
  throw new DomainError("conflict", "SEQUENCE_MISMATCH", `The state changed during each of ${ATTEMPTS_MAX} readings.`, {
    hint: "Another scheduler writes; try again when this one leads.",
  });
}

async function readPosition(connection: Connection, keys: RedisKeys): Promise<{ commitNumber: number; lastSequence: number }> {
  const [commit, sequence] = await connection.run((client) => client.hmget(keys.meta, "commit", "sequence"));
  return { commitNumber: Number(commit ?? 0), lastSequence: Number(sequence ?? 0) };
}

async function readLiveJobs(connection: Connection, keys: RedisKeys): Promise<readonly Job[]> {
  const ids: string[] = [];
  for (const state of JOB_STATES) {
    if (isJobEnded(state)) continue;
    const stem = indexStems.state(state);
    const read = pagesOf((client, low) => client.zrangebylex(keys.index, low ?? `[${stem}`, `[${stem}~`, "LIMIT", 0, PAGE));
    for (const member of await read(connection)) ids.push(member.slice(stem.length));
  }
  return await readByIds<Job>(connection, keys.jobs, ids.sort());
}

async function readExecutions(connection: Connection, keys: RedisKeys, jobs: readonly Job[]): Promise<readonly Execution[]> {
  const versions = new Map<JobId, number>(jobs.map((job) => [job.id, job.version]));
  const ids = new Set(await readLexically(connection, keys.liveExecutions));
  for (let from = 0; from < jobs.length; from += JOBS_AT_ONCE) {
    const some = jobs.slice(from, from + JOBS_AT_ONCE);
    const lists = await Promise.all(some.map((job) => readLexically(connection, keys.jobExecutionsStem + job.id)));
    for (const list of lists) for (const id of list) ids.add(id);
  }
  const executions = await readByIds<Execution>(connection, keys.executions, [...ids].sort());
  return executions.filter(({ jobId, jobVersion, state }) => !isExecutionEnded(state) || versions.get(jobId) === jobVersion);
}

function readLexically(connection: Connection, key: string): Promise<string[]> {
  return pagesOf((client, low) => client.zrangebylex(key, low ?? "-", "+", "LIMIT", 0, PAGE))(connection);
}

/** All pages of a lexical range; `low` is exclusive and undefined for the first. */
function pagesOf(readPage: (client: Redis, low: string | undefined) => Promise<string[]>): (connection: Connection) => Promise<string[]> {
  return async (connection) => {
    const all: string[] = [];
    let low: string | undefined;
    for (;;) {
      const page = await connection.run((client) => readPage(client, low));
      for (const member of page) all.push(member);
      if (page.length < PAGE) return all;
      low = `(${page.at(-1) ?? ""}`;
    }
  };
}

async function readByIds<T>(connection: Connection, key: string, ids: readonly string[]): Promise<T[]> {
  const records: T[] = [];
  for (let from = 0; from < ids.length; from += RECORDS_AT_ONCE) {
    const some = ids.slice(from, from + RECORDS_AT_ONCE);
    for (const record of parseRecords<T>(await connection.run((client) => client.hmget(key, ...some)))) records.push(record);
  }
  return records;
}

const ATTEMPTS_MAX = 5;
const PAGE = 10_000;
/** A record may have 256 KiB. */
const RECORDS_AT_ONCE = 200;
const JOBS_AT_ONCE = 500;
