import { chmodSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { DomainError, NO_NETWORK, type ExecutionId, type InputUse } from "@skrei/domain";
import { NO_DOOR, type RunSpec } from "../domain/run.ts";
import type { Assignment, ExecutionJournal, ExecutionRecord, JournalChange } from "../ports.ts";

/** The journal in a SQLite file that survives a loss of power after each save. */
export class SqliteJournal implements ExecutionJournal, Disposable {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  /** What the file has, so that a change of state does not write the spec again. */
  readonly #assignments = new Map<ExecutionId, Assignment>();
  #waiting: Waiting[] = [];

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    chmodSync(path, 0o600);
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000");
    migrate(this.#database);
    this.#statements = prepareStatements(this.#database);
  }

  read(): { appliedToken: string; records: readonly ExecutionRecord[] } {
    const [token] = this.#database.prepare("SELECT applied_token FROM session").all();
    const rows = this.#database.prepare("SELECT assignment, progress FROM execution ORDER BY id").all();
    const records = rows.map((row): ExecutionRecord => {
      const assignment = completeAssignment(JSON.parse(String(row["assignment"])) as Assignment);
      this.#assignments.set(assignment.executionId, assignment);
      return { assignment, ...completeProgress(JSON.parse(String(row["progress"])) as Progress) };
    });
    return { appliedToken: String(token?.["applied_token"] ?? ""), records };
  }

  save(change: JournalChange): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // One transaction, and one sync of the disk, for all that comes in the same turn.
    if (this.#waiting.push({ change, resolve, reject }) === 1) setImmediate(() => this.#flush());
    return promise;
  }

  /** Writes what waits, then closes. */
  [Symbol.dispose](): void {
    this.#flush();
    if (this.#database.isOpen) this.#database.close();
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0) return;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const { change } of batch) this.#write(change);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#assignments.clear();
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec("ROLLBACK");
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const { resolve } of batch) resolve();
  }

  #write({ appliedToken, records, forgotten }: JournalChange): void {
    this.#statements.token.run(appliedToken);
    for (const { assignment, ...progress } of records) {
      const id = assignment.executionId;
      if (this.#assignments.get(id) === assignment) {
        this.#statements.progress.run(JSON.stringify(progress satisfies Progress), id);
        continue;
      }
      this.#statements.execution.run(id, JSON.stringify(assignment), JSON.stringify(progress));
      this.#assignments.set(id, assignment);
    }
    for (const id of forgotten) {
      this.#statements.forget.run(id);
      this.#assignments.delete(id);
    }
  }
}

/** Earlier agents knew network none only, without a list. */
function completeAssignment(assignment: Assignment): Assignment {
  const { job } = assignment;
  return { ...assignment, job: { ...job, task: { ...job.task, network: { ...NO_NETWORK, ...job.task.network } } } };
}

/** Nor did they write down a door, and of inputs the digests only. */
function completeProgress(progress: Progress): Progress {
  const { inputDigests, ...observed }: EarlierObserved = progress.observed;
  const run: Partial<RunSpec> | undefined = observed.run;
  return {
    ...progress,
    observed: {
      ...observed,
      ...(run !== undefined && run.door === undefined && { run: { ...(run as RunSpec), door: NO_DOOR } }),
      ...(inputDigests !== undefined && observed.inputs === undefined && { inputs: inputsOf(inputDigests) }),
    },
  };
}

/** The digests matter: the result is signed with them. */
function inputsOf(digests: Readonly<Record<string, string>>): readonly InputUse[] {
  return Object.entries(digests).map(([target, digest]) => ({ target, digest, sizeBytes: 0, movedBytes: 0 }));
}

type EarlierObserved = ExecutionRecord["observed"] & { readonly inputDigests?: Readonly<Record<string, string>> };

type Progress = Omit<ExecutionRecord, "assignment">;

interface Waiting {
  readonly change: JournalChange;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Statements {
  readonly token: StatementSync;
  readonly execution: StatementSync;
  readonly progress: StatementSync;
  readonly forget: StatementSync;
}

const SCHEMA_VERSION = 1;

function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version === SCHEMA_VERSION) return;
  if (version > SCHEMA_VERSION) {
    throw new DomainError("precondition", "CONFIG_INVALID", `the journal has schema ${version}, this agent knows ${SCHEMA_VERSION}`, {
      hint: "start the newer agent that wrote it",
    });
  }
  database.exec(`BEGIN;
    CREATE TABLE session (one INTEGER PRIMARY KEY CHECK (one = 1), applied_token TEXT NOT NULL) STRICT;
    CREATE TABLE execution (id TEXT PRIMARY KEY, assignment TEXT NOT NULL, progress TEXT NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA user_version = ${SCHEMA_VERSION};
    COMMIT`);
}

function prepareStatements(database: DatabaseSync): Statements {
  return {
    token: database.prepare("INSERT INTO session VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET applied_token = excluded.applied_token"),
    execution: database.prepare(
      "INSERT INTO execution VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET assignment = excluded.assignment, progress = excluded.progress",
    ),
    progress: database.prepare("UPDATE execution SET progress = ? WHERE id = ?"),
    forget: database.prepare("DELETE FROM execution WHERE id = ?"),
  };
}
