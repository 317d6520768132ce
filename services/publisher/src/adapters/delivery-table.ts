import { DatabaseSync } from "node:sqlite";
import type { DeliveryTarget } from "../domain/delivery-target.ts";
import type { Clock, DeliveryLog } from "../ports.ts";

/** Deliveries in a file of their own; each is on the disk when `keep` returns. */
export class DeliveryTable implements DeliveryLog, Disposable {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;

  /** Forgets what is so old that nobody publishes it again. */
  constructor(path: string, clock: Clock) {
    this.#database = new DatabaseSync(path);
    this.#clock = clock;
    this.#database.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    this.#database.exec(SCHEMA);
    this.#database.prepare("DELETE FROM delivery WHERE kept_ms < ?").run(clock.nowMs() - KEPT_MS_MAX);
  }

  find(executionId: string, target: DeliveryTarget): string | undefined {
    const row = this.#database.prepare("SELECT url FROM delivery WHERE execution_id = ? AND target = ?").get(executionId, keyOf(target));
    return row?.["url"] as string | undefined;
  }

  keep(executionId: string, target: DeliveryTarget, url: string): void {
    this.#database
      .prepare("INSERT OR REPLACE INTO delivery (execution_id, target, url, kept_ms) VALUES (?, ?, ?, ?)")
      .run(executionId, keyOf(target), url, this.#clock.nowMs());
  }

  forget(executionId: string): void {
    this.#database.prepare("DELETE FROM delivery WHERE execution_id = ?").run(executionId);
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

/** The same for the same target, whatever else came with it. */
function keyOf(target: DeliveryTarget): string {
  if (target.type !== "s3") return target.type === "local" ? `local:${target.path}` : target.type;
  const { endpoint, region, bucket, key, encoding } = target;
  return JSON.stringify([endpoint, region, bucket, key, encoding]);
}

const SCHEMA = `CREATE TABLE IF NOT EXISTS delivery (
  execution_id TEXT NOT NULL, target TEXT NOT NULL, url TEXT NOT NULL, kept_ms INTEGER NOT NULL, PRIMARY KEY (execution_id, target)
) WITHOUT ROWID`;
const KEPT_MS_MAX = 90 * 24 * 3_600_000;
