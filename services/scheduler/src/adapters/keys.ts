/** Every Redis key, and every member of the one index. All keys share a hash tag, so that one script may touch them all. */
export interface RedisKeys {
  /** Hash: schema, term, commit (number of the last one), digest (of the last one), sequence, first (sequence still in the log). */
  readonly meta: string;
  /** String with expiry: who leads. */
  readonly lease: string;
  /** Hash: job id → record. */
  readonly jobs: string;
  /** Hash: job id → packed fields from which its members of the index were made. */
  readonly jobFields: string;
  /** Sorted set of one score, read by lexical range; its members are in `indexStems`. */
  readonly index: string;
  /** Hash: execution id → record. */
  readonly executions: string;
  /** Sorted set of one score: ids of executions that have not ended. */
  readonly liveExecutions: string;
  /** Hash: node id → record. */
  readonly nodes: string;
  /** Hash: request id → record. */
  readonly requests: string;
  /** Sorted set: request id by the time it is forgotten. */
  readonly requestExpiry: string;
  /** Stream: the event of sequence n has the id `n-0`. */
  readonly events: string;
  /** Sorted set: sequence numbers of events that belong to no stored job. */
  readonly looseEvents: string;
  /** + job id. Sorted set of one score: ids of its executions. */
  readonly jobExecutionsStem: string;
  /** + job id. Sorted set: sequence numbers of its events. */
  readonly jobEventsStem: string;
}

export function redisKeys(prefix: string): RedisKeys {
  const key = (name: string): string => `{${prefix}}:${name}`;
  return {
    meta: key("meta"),
    lease: key("lease"),
    jobs: key("jobs"),
    jobFields: key("job-fields"),
    index: key("index"),
    executions: key("executions"),
    liveExecutions: key("live-executions"),
    nodes: key("nodes"),
    requests: key("requests"),
    requestExpiry: key("request-expiry"),
    events: key("events"),
    looseEvents: key("loose-events"),
    jobExecutionsStem: key("job-executions:"),
    jobEventsStem: key("job-events:"),
  };
}

/** What the members of the index begin with; a job id follows. `redis/commit.lua` builds the same. */
export const indexStems = {
  state: (state: string): string => `s\0${state}\0`,
  namespace: (namespace: string, state: string): string => `n\0${namespace}\0${state}\0`,
  name: (name: string): string => `m\0${name}\0`,
  /** Followed by the time in 15 digits, a NUL and the id. */
  ended: "e\0",
} as const;

/** The time in a form whose lexical order is its order. */
export function paddedMs(timeMs: number): string {
  return String(Math.max(0, Math.floor(timeMs))).padStart(15, "0");
}
