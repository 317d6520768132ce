import type { DatabaseSync, StatementSync } from "node:sqlite";
import { JOB_STATES, isJobEnded, type Execution, type ExecutionId, type Job, type JobEvent, type JobId, type Node } from "@skrei/domain";
import type { Clock, JobQuery, LeaseAnswer, LiveState, RequestRecord, StateChange, StateStore } from "../ports.ts";
import { createEventWaiters } from "./event-waiters.ts";
import { createChangeWriter, type WrittenChange } from "./sqlite/change-writer.ts";
import { openDatabase, type OpenDatabase } from "./sqlite/open-database.ts";
import { toStoreError } from "./sqlite/sqlite-errors.ts";

export interface SqliteStateStoreOptions {
  /** The database file, or `:memory:` for a state that ends with the process. */
  readonly path: string;
  readonly clock: Clock;
}

/** The state of one process in one file; durable through power loss (WAL, synchronous = FULL). */
export function createSqliteStateStore(options: SqliteStateStoreOptions): StateStore {
  return new SqliteStateStore(options);
}

class SqliteStateStore implements StateStore {
  readonly #options: SqliteStateStoreOptions;
  readonly #waiters = createEventWaiters();
  readonly #statements = new Map<string, StatementSync>();
  #open: OpenDatabase | undefined;
  #write: ((change: StateChange, nowMs: number) => WrittenChange) | undefined;
  /** Counted once at start and kept: COUNT(*) walks a whole index. */
  #jobs = 0;

  constructor(options: SqliteStateStoreOptions) {
    this.#options = options;
  }

  start(): Promise<void> {
    return this.#attempt(() => {
      this.#open ??= openDatabase(this.#options.path);
      this.#write = createChangeWriter(this.#open.database);
      this.#jobs = Number(this.#row("SELECT count(*) AS jobs FROM jobs")?.["jobs"] ?? 0);
      this.#waiters.advance(this.#range().lastSequence);
    });
  }

  stop(): Promise<void> {
    this.#waiters.close();
    return this.#attempt(() => {
      const open = this.#open;
      this.#open = undefined;
      this.#write = undefined;
      this.#statements.clear();
      open?.close();
    });
  }

  acquireLease({ holder, ttlMs }: { holder: string; ttlMs: number }): Promise<LeaseAnswer> {
    return this.#attempt(() =>
      this.#transaction((): LeaseAnswer => {
        const nowMs = this.#options.clock.nowMs();
        const lease = this.#row("SELECT term, holder, lease_ends_at_ms FROM leader") as unknown as Lease;
        const isValid = lease.holder !== "" && lease.lease_ends_at_ms > nowMs;
        if (isValid && lease.holder !== holder) return { isHeld: false, holder: lease.holder };
        const term = isValid ? lease.term : lease.term + 1;
        this.#prepare("UPDATE leader SET term = ?, holder = ?, lease_ends_at_ms = ?").run(term, holder, nowMs + ttlMs);
        return { isHeld: true, term };
      }),
    );
  }

  releaseLease(holder: string): Promise<void> {
    return this.#attempt(() => {
      // The term rises, so that a late commit of who gave up is refused.
      this.#prepare("UPDATE leader SET term = term + 1, holder = '', lease_ends_at_ms = 0 WHERE holder = ?").run(holder);
    });
  }

  commit(change: StateChange): Promise<"committed" | "staleTerm"> {
    return this.#attempt(() => {
      if (this.#write === undefined) throw new Error("the store is not started");
      const written = this.#write(change, this.#options.clock.nowMs());
      this.#jobs += written.jobsAdded;
      this.#waiters.advance(written.lastSequence);
      return written.outcome;
    });
  }

  loadLive(): Promise<LiveState> {
    return this.#attempt(() => {
      const states = JOB_STATES.filter((state) => !isJobEnded(state));
      const marks = states.map(() => "?").join(", ");
      const executions = `SELECT e.record FROM executions e JOIN jobs j ON j.id = e.job_id
        WHERE j.state IN (${marks}) AND (e.job_version = j.version OR e.is_live = 1)
        UNION ALL SELECT e.record FROM executions e LEFT JOIN jobs j ON j.id = e.job_id
        WHERE e.is_live = 1 AND (j.id IS NULL OR j.state NOT IN (${marks}))`;
      return {
        nodes: this.#records<Node>("SELECT record FROM nodes ORDER BY id"),
        jobs: this.#records<Job>(`SELECT record FROM jobs WHERE state IN (${marks}) ORDER BY id`, ...states),
        executions: this.#records<Execution>(executions, ...states, ...states),
        lastSequence: this.#range().lastSequence,
      };
    });
  }

  getJob(id: JobId): Promise<Job | undefined> {
    return this.#attempt(() => this.#records<Job>("SELECT record FROM jobs WHERE id = ?", id)[0]);
  }

  getJobs(ids: readonly JobId[]): Promise<readonly Job[]> {
    return this.#attempt(() => ids.flatMap((id) => this.#records<Job>("SELECT record FROM jobs WHERE id = ?", id)));
  }

  findJobIds(prefix: string, limit: number): Promise<readonly JobId[]> {
    const sql = "SELECT id FROM jobs WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?";
    return this.#attempt(() => this.#ids(sql, prefix, `${prefix}\u{10ffff}`, limit));
  }

  findJobIdsByName(name: string, limit: number): Promise<readonly JobId[]> {
    return this.#attempt(() => this.#ids("SELECT id FROM jobs WHERE name = ? ORDER BY id DESC LIMIT ?", name, limit));
  }

  listJobs({ states, namespace, before, limit }: JobQuery): Promise<readonly Job[]> {
    return this.#attempt(() => {
      const bound = before ?? AFTER_EVERY_ID;
      if (states.length === 0 && namespace === undefined) {
        return this.#records<Job>("SELECT record FROM jobs WHERE id < ? ORDER BY id DESC LIMIT ?", bound, limit);
      }
      // One walk of an index a state, merged: each walk reads no more than a page.
      const wanted = states.length === 0 ? JOB_STATES : [...new Set(states)];
      const where = namespace === undefined ? "state = ?" : "namespace = ? AND state = ?";
      const walk = `SELECT * FROM (SELECT id, record FROM jobs WHERE ${where} AND id < ? ORDER BY id DESC LIMIT ?)`;
      const sql = `${wanted.map(() => walk).join(" UNION ALL ")} ORDER BY id DESC LIMIT ?`;
      const values = wanted.flatMap((state) => [...(namespace === undefined ? [] : [namespace]), state, bound, limit]);
      return this.#records<Job>(sql, ...values, limit);
    });
  }

  countJobs(): Promise<number> {
    return this.#attempt(() => this.#jobs);
  }

  listEndedJobIds(endedBeforeMs: number, limit: number): Promise<readonly JobId[]> {
    const sql = "SELECT id FROM jobs WHERE ended_at_ms < ? ORDER BY ended_at_ms, id LIMIT ?";
    return this.#attempt(() => this.#ids(sql, endedBeforeMs, limit));
  }

  getExecution(id: ExecutionId): Promise<Execution | undefined> {
    return this.#attempt(() => this.#records<Execution>("SELECT record FROM executions WHERE id = ?", id)[0]);
  }

  listExecutions(jobId: JobId, after: ExecutionId | undefined, limit: number): Promise<readonly Execution[]> {
    const sql = "SELECT record FROM executions WHERE job_id = ? AND id > ? ORDER BY id LIMIT ?";
    return this.#attempt(() => this.#records<Execution>(sql, jobId, after ?? "", limit));
  }

  listNodes(): Promise<readonly Node[]> {
    return this.#attempt(() => this.#records<Node>("SELECT record FROM nodes ORDER BY id"));
  }

  getRequest(requestId: string): Promise<RequestRecord | undefined> {
    return this.#attempt(() => {
      const sql = "SELECT fingerprint, job_id, expires_at_ms FROM requests WHERE id = ? AND expires_at_ms > ?";
      const row = this.#row(sql, requestId, this.#options.clock.nowMs()) as unknown as RequestRow | undefined;
      return row && { requestId, fingerprint: row.fingerprint, jobId: row.job_id, expiresAtMs: row.expires_at_ms };
    });
  }

  listJobEvents(jobId: JobId, afterSequence: number, limit: number): Promise<readonly JobEvent[]> {
    const sql = "SELECT record FROM events WHERE job_id = ? AND sequence > ? ORDER BY sequence LIMIT ?";
    return this.#attempt(() => this.#records<JobEvent>(sql, jobId, afterSequence, limit));
  }

  listEvents(afterSequence: number, limit: number): Promise<readonly JobEvent[]> {
    const sql =
      "SELECT record FROM events WHERE sequence > ? AND sequence >= (SELECT first_sequence FROM leader) ORDER BY sequence LIMIT ?";
    return this.#attempt(() => this.#records<JobEvent>(sql, afterSequence, limit));
  }

  eventRange(): Promise<{ firstSequence: number; lastSequence: number }> {
    return this.#attempt(() => this.#range());
  }

  waitForEvents(afterSequence: number, signal: AbortSignal): Promise<void> {
    return this.#waiters.wait(afterSequence, signal);
  }

  /** Runs at once, as SQLite does; a throw becomes a rejection, and the disk's troubles STORE_UNAVAILABLE. */
  #attempt<T>(run: () => T): Promise<T> {
    try {
      return Promise.resolve(run());
    } catch (error) {
      return Promise.reject(toStoreError(error, this.#options.path));
    }
  }

  #transaction<T>(run: () => T): T {
    const database = this.#database();
    database.exec("BEGIN IMMEDIATE");
    try {
      const result = run();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }

  #database(): DatabaseSync {
    if (this.#open === undefined) throw new Error("the store is not started");
    return this.#open.database;
  }

  #prepare(sql: string): StatementSync {
    const database = this.#database();
    const prepared = this.#statements.get(sql) ?? database.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }

  #row(sql: string, ...values: (string | number)[]): Record<string, unknown> | undefined {
    return this.#prepare(sql).get(...values);
  }

  #records<T>(sql: string, ...values: (string | number)[]): T[] {
    return this.#prepare(sql)
      .all(...values)
      .map((row) => JSON.parse(String(row["record"])) as T);
  }

  #ids(sql: string, ...values: (string | number)[]): JobId[] {
    return this.#prepare(sql)
      .all(...values)
      .map((row) => row["id"] as JobId);
  }

  #range(): { firstSequence: number; lastSequence: number } {
    const row = this.#row("SELECT first_sequence, last_sequence FROM leader");
    return { firstSequence: Number(row?.["first_sequence"]), lastSequence: Number(row?.["last_sequence"]) };
  }
}

interface Lease {
  readonly term: number;
  readonly holder: string;
  readonly lease_ends_at_ms: number;
}

interface RequestRow {
  readonly fingerprint: string;
  readonly job_id: JobId;
  readonly expires_at_ms: number;
}

/** Ids are lower-case letters, digits and a dash. */
const AFTER_EVERY_ID = "~";
