import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { DomainError } from "@skrei/domain";
import { checkDurability } from "./durability.ts";

export interface ConnectionOptions {
  readonly url: string;
  readonly password?: string | undefined;
}

/**
 * One connection that comes back by itself. What it runs must be safe to run twice: a command whose answer was lost with the
 * connection is sent again until `ANSWER_MS_MAX` is over.
 */
export class Connection {
  readonly address: string;
  readonly #options: ConnectionOptions;
  #client: Redis | undefined;
  #lastError: Error | undefined;
  #durability: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    const { hostname, port } = new URL(options.url);
    this.address = `${hostname}:${port || "6379"}`;
    this.#options = options;
  }

  /** As `run`, after the settings of the server were found safe on this connection. */
  runDurably<T>(send: (client: Redis) => Promise<T>): Promise<T> {
    return this.run(async (client) => {
      this.#durability ??= checkDurability(client, this.address);
      await this.#durability.catch((error: unknown) => {
        this.#durability = undefined;
        throw error;
      });
      return await send(client);
    });
  }

  /** @throws DomainError unavailable/STORE_UNAVAILABLE; what was sent may have happened. */
  async run<T>(send: (client: Redis) => Promise<T>): Promise<T> {
    const deadlineMs = performance.now() + ANSWER_MS_MAX;
    for (;;) {
      if (this.#isClosed) throw this.#unavailable(undefined);
      const client = (this.#client ??= this.#open());
      if (!(await isReady(client, deadlineMs - performance.now()))) throw this.#unavailable(this.#lastError);
      try {
        return await send(client);
      } catch (error) {
        if (!(error instanceof Error) || error instanceof DomainError) throw error;
        if (!isConnectionLost(error) || performance.now() >= deadlineMs) throw this.#translated(error);
        // NOTE: the client says "ready" for a moment after its socket was closed; without a pause this would spin.
        await delay(RETRY_MS);
      }
    }
  }

  /** Ends the connection; the next command opens it again. */
  disconnect(): void {
    this.#client?.disconnect();
    this.#client = undefined;
  }

  /** Ends the connection for good. */
  close(): void {
    this.#isClosed = true;
    this.disconnect();
  }

  #open(): Redis {
    const client = new Redis(this.#options.url, {
      ...(this.#options.password === undefined ? {} : { password: this.#options.password }),
      connectTimeout: 2_000,
      commandTimeout: COMMAND_TIMEOUT_MS,
      socketTimeout: 3_000,
      // A lost connection fails its commands at once, and none are queued while there is none: `run` decides, with a bound.
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      retryStrategy: (times) => Math.min(50 * times, 500),
    });
    client.setMaxListeners(0);
    client.on("error", (error: Error) => (this.#lastError = error));
    // A server that came back may have come back with other settings.
    client.on("close", () => (this.#durability = undefined));
    return client;
  }

  #translated(error: Error): Error {
    return isOfServer(error) ? this.#unavailable(error) : withoutCommand(error);
  }

  #unavailable(cause: Error | undefined): DomainError {
    return new DomainError("unavailable", "STORE_UNAVAILABLE", `The state store at ${this.address} does not answer.`, {
      hint: "Look whether the Redis or Valkey server runs there and lets this process in; it is used again as soon as it answers.",
      metadata: { address: this.address },
      ...(cause === undefined ? {} : { cause: withoutCommand(cause) }),
    });
  }
}

function isReady(client: Redis, withinMs: number): Promise<boolean> {
  if (client.status === "ready") return Promise.resolve(true);
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      client.off("ready", settle).off("end", settle);
      resolve(client.status === "ready");
    };
    const timer = setTimeout(settle, Math.max(0, withinMs));
    client.on("ready", settle).on("end", settle);
  });
}

function isConnectionLost(error: Error): boolean {
  return /^(Connection is closed|Stream isn't writeable|Command aborted|Reached the max retries)/u.test(error.message);
}

/** The server or the way to it is at fault, not what we sent. */
function isOfServer(error: Error): boolean {
  if (error.name !== "ReplyError") return true;
  return /^(LOADING|BUSY|MISCONF|OOM|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM)\b/u.test(error.message);
}

/** The client hangs the command with all its arguments on its errors: passwords and whole records, which belong in no log. */
function withoutCommand(error: Error): Error {
  return new Error(error.message);
}

const COMMAND_TIMEOUT_MS = 2_000;
/** How long a call may wait for a lost connection to come back. */
const ANSWER_MS_MAX = 2_000;
const RETRY_MS = 10;
