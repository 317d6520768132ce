import type { Redis } from "ioredis";
import { DomainError, JOB_STATES, type Execution, type ExecutionId, type Job, type JobEvent, type JobId, type Node } from "@skrei/domain";
import type { Clock, JobQuery, LeaseAnswer, LiveState, RequestRecord, StateChange, StateStore } from "../ports.ts";
import { indexStems, paddedMs, redisKeys, type RedisKeys } from "./keys.ts";
import { changeArguments } from "./redis/change-arguments.ts";
import { Connection, type ConnectionOptions } from "./redis/connection.ts";
import { EventWatch } from "./redis/event-watch.ts";
import { readLiveState } from "./redis/live-state.ts";
import { parseRecord, parseRecords } from "./redis/records.ts";
import { loadScript } from "./redis/script.ts";
import { sequenceMismatch } from "./sequence-mismatch.ts";

export interface RedisStateStoreOptions extends ConnectionOptions {
  /** All keys begin with it; two clusters may share a server under two prefixes. */
  readonly prefix: string;
  readonly clock: Clock;
}

/** The state of a cluster in Redis or Valkey; durable through power loss with the settings that `start` insists on. */
export function createRedisStateStore(options: RedisStateStoreOptions): StateStore {
  return new RedisStateStore(options);
}

class RedisStateStore implements StateStore {
  readonly #clock: Clock;
  readonly #keys: RedisKeys;
  readonly #connection: Connection;
  readonly #watch: EventWatch;
  /** Number of the newest commit that is known to have happened; undefined: read it first. */
  #commitNumber: number | undefined;
  #term: number | undefined;

  constructor(options: RedisStateStoreOptions) {
    this.#clock = options.clock;
    this.#keys = redisKeys(options.prefix);
    this.#connection = new Connection(options);
    this.#watch = new EventWatch(new Connection(options), this.#keys, options.clock);
  }

  async start(): Promise<void> {
    try {
      await this.#connection.runDurably((client) => this.#checkSchema(client));
    } catch (error) {
      // Who did not start need not be stopped; a second start may find the server.
      this.#connection.disconnect();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#connection.close();
    await this.#watch.close();
  }

  async acquireLease({ holder, ttlMs }: { holder: string; ttlMs: number }): Promise<LeaseAnswer> {
    const { meta, lease } = this.#keys;
    const answer = await this.#connection.runDurably((client) => acquireLease(client, [meta, lease], [holder, ttlMs]));
    const [isHeld, value] = answer as [number, string];
    if (isHeld !== 1) return { isHeld: false, holder: value };
    const term = Number(value);
    if (term !== this.#term) this.#commitNumber = undefined;
    this.#term = term;
    return { isHeld: true, term };
  }

  async releaseLease(holder: string): Promise<void> {
    const { meta, lease } = this.#keys;
    await this.#connection.run((client) => releaseLease(client, [meta, lease], [holder]));
  }

  async loadLive(): Promise<LiveState> {
    const { live, commitNumber } = await readLiveState(this.#connection, this.#keys);
    this.#commitNumber = commitNumber;
    return live;
  }

  async commit(change: StateChange): Promise<"committed" | "staleTerm"> {
    const number = 1 + (this.#commitNumber ?? (await this.#readCommitNumber()));
    const values = changeArguments(change, { number, nowMs: this.#clock.nowMs() });
    // Until an answer comes the number stays: the same change again is found to have happened, another one is refused.
    this.#commitNumber = number - 1;
    const answer = await this.#connection.runDurably((client) => commit(client, commitKeys(this.#keys), values));
    const [outcome, lastSequence, newestNumber] = answer as ["committed" | "staleTerm" | "mismatch", number, number];
    if (outcome === "mismatch") {
      this.#commitNumber = undefined;
      throw sequenceMismatch(change, lastSequence);
    }
    if (outcome === "committed") {
      this.#commitNumber = newestNumber;
      this.#watch.advance(lastSequence);
    }
    return outcome;
  }

  async getJob(id: JobId): Promise<Job | undefined> {
    return parseRecord<Job>(await this.#connection.run((client) => client.hget(this.#keys.jobs, id)));
  }

  async getJobs(ids: readonly JobId[]): Promise<readonly Job[]> {
    if (ids.length === 0) return [];
    return parseRecords<Job>(await this.#connection.run((client) => client.hmget(this.#keys.jobs, ...ids)));
  }

  async findJobIds(prefix: string, limit: number): Promise<readonly JobId[]> {
    const stems = JOB_STATES.map((state) => indexStems.state(state));
    return (await this.#listByIndex(["ids", limit, prefix, "", ...stems])) as JobId[];
  }

  async findJobIdsByName(name: string, limit: number): Promise<readonly JobId[]> {
    return (await this.#listByIndex(["ids", limit, "", "", indexStems.name(name)])) as JobId[];
  }

  async listJobs({ states, namespace, before, limit }: JobQuery): Promise<readonly Job[]> {
    const wanted = states.length === 0 ? JOB_STATES : [...new Set(states)];
    const stems = wanted.map((state) => (namespace === undefined ? indexStems.state(state) : indexStems.namespace(namespace, state)));
    return parseRecords<Job>(await this.#listByIndex(["records", limit, "", before ?? "", ...stems]));
  }

  countJobs(): Promise<number> {
    return this.#connection.run((client) => client.hlen(this.#keys.jobs));
  }

  async listEndedJobIds(endedBeforeMs: number, limit: number): Promise<readonly JobId[]> {
    const stem = indexStems.ended;
    const high = `(${stem}${paddedMs(endedBeforeMs)}`;
    const members = await this.#connection.run((client) => client.zrangebylex(this.#keys.index, `[${stem}`, high, "LIMIT", 0, limit));
    return members.map((member) => member.slice(member.lastIndexOf("\0") + 1) as JobId);
  }

  async getExecution(id: ExecutionId): Promise<Execution | undefined> {
    return parseRecord<Execution>(await this.#connection.run((client) => client.hget(this.#keys.executions, id)));
  }

  async listExecutions(jobId: JobId, after: ExecutionId | undefined, limit: number): Promise<readonly Execution[]> {
    const key = this.#keys.jobExecutionsStem + jobId;
    const low = after === undefined ? "-" : `(${after}`;
    return await this.#connection.run(async (client) => {
      const ids = await client.zrangebylex(key, low, "+", "LIMIT", 0, limit);
      return ids.length === 0 ? [] : parseRecords<Execution>(await client.hmget(this.#keys.executions, ...ids));
    });
  }

  async listNodes(): Promise<readonly Node[]> {
    const nodes = parseRecords<Node>(await this.#connection.run((client) => client.hvals(this.#keys.nodes)));
    return nodes.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async getRequest(requestId: string): Promise<RequestRecord | undefined> {
    const request = parseRecord<RequestRecord>(await this.#connection.run((client) => client.hget(this.#keys.requests, requestId)));
    return request !== undefined && request.expiresAtMs > this.#clock.nowMs() ? request : undefined;
  }

  async listJobEvents(jobId: JobId, afterSequence: number, limit: number): Promise<readonly JobEvent[]> {
    const keys = [this.#keys.jobEventsStem + jobId, this.#keys.events];
    return parseRecords<JobEvent>(await this.#connection.run((client) => listJobEvents(client, keys, [afterSequence, limit])));
  }

  async listEvents(afterSequence: number, limit: number): Promise<readonly JobEvent[]> {
    const keys = [this.#keys.meta, this.#keys.events];
    return parseRecords<JobEvent>(await this.#connection.run((client) => listEvents(client, keys, [afterSequence, limit])));
  }

  async eventRange(): Promise<{ firstSequence: number; lastSequence: number }> {
    const [first, last] = await this.#connection.run((client) => client.hmget(this.#keys.meta, "first", "sequence"));
    return { firstSequence: Number(first ?? 1), lastSequence: Number(last ?? 0) };
  }

  waitForEvents(afterSequence: number, signal: AbortSignal): Promise<void> {
    return this.#watch.wait(afterSequence, signal);
  }

  async #checkSchema(client: Redis): Promise<void> {
    await client.hsetnx(this.#keys.meta, "schema", SCHEMA);
    const found = Number(await client.hget(this.#keys.meta, "schema"));
    if (found <= SCHEMA) return;
    throw new DomainError(
      "precondition",
      "DATA_TOO_NEW",
      `The state was written with schema ${found}; this version knows schemas up to ${SCHEMA}.`,
      {
        hint: "Run the newer version, or use another prefix.",
      },
    );
  }

  #listByIndex(values: readonly (string | number)[]): Promise<unknown> {
    return this.#connection.run((client) => listJobs(client, [this.#keys.index, this.#keys.jobs], values));
  }

  async #readCommitNumber(): Promise<number> {
    return Number((await this.#connection.run((client) => client.hget(this.#keys.meta, "commit"))) ?? 0);
  }
}

function commitKeys(keys: RedisKeys): readonly string[] {
  const { meta, jobs, jobFields, index, executions, liveExecutions, nodes, requests, requestExpiry, events, looseEvents } = keys;
  const stems = [keys.jobExecutionsStem, keys.jobEventsStem];
  return [meta, jobs, jobFields, index, executions, liveExecutions, nodes, requests, requestExpiry, events, looseEvents, ...stems];
}

/** Rises with each change of what the keys hold. */
const SCHEMA = 1;

const acquireLease = loadScript("acquire-lease");
const releaseLease = loadScript("release-lease");
const commit = loadScript("commit");
const listJobs = loadScript("list-jobs");
const listEvents = loadScript("list-events");
const listJobEvents = loadScript("list-job-events");
