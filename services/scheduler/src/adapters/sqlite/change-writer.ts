import type { DatabaseSync, StatementSync } from "node:sqlite";
import { isExecutionEnded, isJobEnded, type Execution, type Job, type JobEvent, type JobId } from "@skrei/domain";
import type { RequestRecord, StateChange } from "../../ports.ts";
import { changeDigest } from "../change-digest.ts";
import { sequenceMismatch } from "../sequence-mismatch.ts";

export interface WrittenChange {
  readonly outcome: "committed" | "staleTerm";
  readonly lastSequence: number;
  /** Jobs that are new, less those that were removed. */
  readonly jobsAdded: number;
}

/**
 * Returns the function that writes one change in one transaction.
 * It throws DomainError conflict/SEQUENCE_MISMATCH when the change neither continues the store nor repeats its last commit.
 */
export function createChangeWriter(database: DatabaseSync): (change: StateChange, nowMs: number) => WrittenChange {
  const statements = prepareStatements(database);
  return (change, nowMs) => {
    database.exec("BEGIN IMMEDIATE");
    try {
      const written = writeChange(statements, change, nowMs);
      database.exec("COMMIT");
      return written;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  };
}

function writeChange(statements: Statements, change: StateChange, nowMs: number): WrittenChange {
  const leader = statements.readLeader.get() as unknown as { term: number; last_sequence: number; digest: string };
  const lastSequence = leader.last_sequence;
  if (leader.term !== change.term) return { outcome: "staleTerm", lastSequence, jobsAdded: 0 };
  const records = change.events.map((event) => JSON.stringify(event));
  const first = change.events[0];
  const digest = first === undefined ? leader.digest : changeDigest([String(change.term), ...records]);
  if (first !== undefined && first.sequence !== lastSequence + 1) {
    if (first.sequence + records.length - 1 === lastSequence && digest === leader.digest)
      return { outcome: "committed", lastSequence, jobsAdded: 0 };
    throw sequenceMismatch(change, lastSequence);
  }
  const removed = removeJobs(statements, change.removedJobIds);
  for (const id of change.removedNodeIds) statements.deleteNode.run(id);
  const added = putRecords(statements, change, nowMs);
  appendEvents(statements, change, records);
  const next = lastSequence + records.length;
  if (records.length > 0) statements.advance.run(next, digest);
  return { outcome: "committed", lastSequence: next, jobsAdded: added - removed };
}

/** Returns how many jobs there were to remove. */
function removeJobs(statements: Statements, ids: readonly JobId[]): number {
  let removed = 0;
  let newestGone = 0;
  for (const id of ids) {
    const newest = statements.newestEventOfJob.get(id) as unknown as { sequence: number | null };
    newestGone = Math.max(newestGone, newest.sequence ?? 0);
    statements.deleteEventsOfJob.run(id);
    statements.deleteExecutionsOfJob.run(id);
    removed += Number(statements.deleteJob.run(id).changes);
  }
  if (newestGone > 0) {
    // The log has no gaps, so it begins after the newest event that went; what belongs to no job is of no more use before that.
    statements.raiseFirstSequence.run(newestGone + 1);
    statements.deleteEventsOfNoJob.run(newestGone);
  }
  return removed;
}

function putRecords(statements: Statements, change: StateChange, nowMs: number): number {
  let added = 0;
  for (const job of change.jobs) added += putJob(statements, job);
  for (const execution of change.executions) putExecution(statements, execution);
  for (const node of change.nodes) statements.putNode.run(node.id, JSON.stringify(node));
  if (change.requests.length > 0) statements.deleteExpiredRequests.run(nowMs);
  for (const request of change.requests) putRequest(statements, request);
  return added;
}

function putJob(statements: Statements, job: Job): number {
  const endedAtMs = isJobEnded(job.state) ? (job.endedAtMs ?? null) : null;
  const values = [job.version, job.state, job.spec.namespace, job.spec.name, endedAtMs, JSON.stringify(job), job.id] as const;
  if (statements.updateJob.run(...values).changes === 1) return 0;
  statements.insertJob.run(...values);
  return 1;
}

function putExecution(statements: Statements, execution: Execution): void {
  const isLive = isExecutionEnded(execution.state) ? 0 : 1;
  statements.putExecution.run(execution.id, execution.jobId, execution.jobVersion, isLive, JSON.stringify(execution));
}

function putRequest(statements: Statements, request: RequestRecord): void {
  statements.putRequest.run(request.requestId, request.fingerprint, request.jobId, request.expiresAtMs);
}

function appendEvents(statements: Statements, change: StateChange, records: readonly string[]): void {
  for (const [index, event] of change.events.entries()) {
    statements.appendEvent.run(event.sequence, keptJobId(statements, event), records[index] ?? "");
  }
}

/** An event of a job that is gone belongs to nobody, else nothing would ever remove it. */
function keptJobId(statements: Statements, event: JobEvent): string | null {
  if (event.jobId === undefined) return null;
  return statements.hasJob.get(event.jobId) === undefined ? null : event.jobId;
}

type Statements = Readonly<Record<keyof typeof SQL, StatementSync>>;

function prepareStatements(database: DatabaseSync): Statements {
  return Object.fromEntries(Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)])) as Statements;
}

const SQL = {
  readLeader: "SELECT term, last_sequence, digest FROM leader",
  advance: "UPDATE leader SET last_sequence = ?, digest = ?",
  raiseFirstSequence: "UPDATE leader SET first_sequence = max(first_sequence, ?)",
  updateJob: "UPDATE jobs SET version = ?, state = ?, namespace = ?, name = ?, ended_at_ms = ?, record = ? WHERE id = ?",
  insertJob: "INSERT INTO jobs (version, state, namespace, name, ended_at_ms, record, id) VALUES (?, ?, ?, ?, ?, ?, ?)",
  hasJob: "SELECT 1 FROM jobs WHERE id = ?",
  deleteJob: "DELETE FROM jobs WHERE id = ?",
  putExecution: `INSERT INTO executions (id, job_id, job_version, is_live, record) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET job_version = excluded.job_version, is_live = excluded.is_live, record = excluded.record`,
  deleteExecutionsOfJob: "DELETE FROM executions WHERE job_id = ?",
  putNode: "INSERT INTO nodes (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
  deleteNode: "DELETE FROM nodes WHERE id = ?",
  putRequest: "INSERT OR REPLACE INTO requests (id, fingerprint, job_id, expires_at_ms) VALUES (?, ?, ?, ?)",
  deleteExpiredRequests: "DELETE FROM requests WHERE expires_at_ms <= ?",
  appendEvent: "INSERT INTO events (sequence, job_id, record) VALUES (?, ?, ?)",
  newestEventOfJob: "SELECT max(sequence) AS sequence FROM events WHERE job_id = ?",
  deleteEventsOfJob: "DELETE FROM events WHERE job_id = ?",
  deleteEventsOfNoJob: "DELETE FROM events WHERE job_id IS NULL AND sequence <= ?",
} as const;
