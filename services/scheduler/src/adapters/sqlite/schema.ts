import type { DatabaseSync } from "node:sqlite";
import { DomainError } from "@skrei/domain";

/** Brings the schema to the newest version, one transaction a step. @throws DomainError precondition/DATA_TOO_NEW. */
export function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > MIGRATIONS.length) {
    const message = `The state was written with schema ${version}; this version knows schemas up to ${MIGRATIONS.length}.`;
    throw new DomainError("precondition", "DATA_TOO_NEW", message, { hint: "Run the newer version, or use another data directory." });
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue;
    database.exec(`BEGIN IMMEDIATE; ${statements}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

/** Released steps are never edited; a change of the schema is a new step. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE leader (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    term INTEGER NOT NULL,
    holder TEXT NOT NULL,
    lease_ends_at_ms INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    digest TEXT NOT NULL
  ) STRICT;
  INSERT INTO leader VALUES (1, 0, '', 0, 1, 0, '');
  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    ended_at_ms INTEGER,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX jobs_by_state ON jobs (state, id);
  CREATE INDEX jobs_by_namespace ON jobs (namespace, state, id);
  CREATE INDEX jobs_by_name ON jobs (name, id);
  CREATE INDEX jobs_by_end ON jobs (ended_at_ms, id) WHERE ended_at_ms IS NOT NULL;
  CREATE TABLE executions (
    id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL,
    job_version INTEGER NOT NULL,
    is_live INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX executions_by_job ON executions (job_id, id);
  CREATE INDEX executions_live ON executions (id) WHERE is_live = 1;
  CREATE TABLE nodes (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    job_id TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX requests_by_expiry ON requests (expires_at_ms);
  CREATE TABLE events (sequence INTEGER PRIMARY KEY, job_id TEXT, record TEXT NOT NULL) STRICT;
  CREATE INDEX events_by_job ON events (job_id, sequence)
  `,
];
