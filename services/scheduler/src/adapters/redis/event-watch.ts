import type { Clock } from "../../ports.ts";
import { createEventWaiters } from "../event-waiters.ts";
import type { RedisKeys } from "../keys.ts";
import type { Connection } from "./connection.ts";

/** Follows the end of the log on a connection of its own, for as long as somebody waits. */
export class EventWatch {
  readonly #connection: Connection;
  readonly #keys: RedisKeys;
  readonly #clock: Clock;
  readonly #waiters = createEventWaiters();
  readonly #closing = new AbortController();
  #following: Promise<void> | undefined;

  constructor(connection: Connection, keys: RedisKeys, clock: Clock) {
    this.#connection = connection;
    this.#keys = keys;
    this.#clock = clock;
  }

  /** What this process has committed needs no round trip. */
  advance(lastSequence: number): void {
    this.#waiters.advance(lastSequence);
  }

  wait(afterSequence: number, signal: AbortSignal): Promise<void> {
    const waiting = this.#waiters.wait(afterSequence, signal);
    if (this.#waiters.size() > 0) this.#following ??= this.#follow().finally(() => (this.#following = undefined));
    return waiting;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#waiters.close();
    this.#connection.close();
    await this.#following;
  }

  async #follow(): Promise<void> {
    while (this.#waiters.size() > 0 && !this.#closing.signal.aborted) {
      try {
        await this.#readOnce();
      } catch {
        // The store is away; whoever waits goes on waiting, as nothing can happen there meanwhile.
        await this.#clock.sleep(RETRY_MS, this.#closing.signal).catch(() => undefined);
      }
    }
  }

  async #readOnce(): Promise<void> {
    await this.#connection.run(async (client) => {
      const lastSequence = Number((await client.hget(this.#keys.meta, "sequence")) ?? 0);
      this.#waiters.advance(lastSequence);
      if (this.#waiters.size() === 0) return;
      await client.xread("COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", this.#keys.events, `${lastSequence}-0`);
    });
  }
}

/** Under the connection's time-outs, so that a dead connection is noticed. */
const BLOCK_MS = 1_000;
const RETRY_MS = 200;
