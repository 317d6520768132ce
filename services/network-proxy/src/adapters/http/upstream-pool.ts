import { Agent, type AgentOptions, type ClientRequestArgs } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { dial, type DialOptions } from "./dial.ts";

/** What a request to an origin carries for the pool: where its connection may lead, asked for when it needs a new one. */
export interface PooledRequest extends ClientRequestArgs {
  /** All that are fine for this request; a kept connection serves it when it was dialled for the same ones. */
  readonly addresses: readonly string[];
  readonly dialling: () => DialOptions;
}

/**
 * Connections to origins of one door, kept for a moment for its next request to the same host and port. Each is dialled to
 * addresses that were checked for that host.
 */
export class UpstreamPool extends Agent {
  constructor() {
    super({ keepAlive: true, timeout: KEPT_MS, maxFreeSockets: KEPT_PER_ORIGIN_MAX, scheduling: "lifo" });
  }

  override createConnection(options: ClientRequestArgs & AgentOptions, onDone?: (error: Error | null, stream: Duplex) => void): undefined {
    const { dialling } = options as PooledRequest;
    dial(dialling()).then(
      (socket: Socket) => onDone?.(null, socket),
      (error: unknown) => onDone?.(error instanceof Error ? error : new Error(String(error)), undefined as never),
    );
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // The types do not know that it says whether the origin lets the connection be kept.
    return Object.keys(this.freeSockets).length <= KEPT_ORIGINS_MAX && (super.keepSocketAlive(socket) as unknown) !== false;
  }

  /** A host that leads elsewhere by now is another origin: what was checked then says nothing about now. */
  override getName(options?: ClientRequestArgs): string {
    const { addresses = [] } = (options ?? {}) as Partial<PooledRequest>;
    return `${super.getName(options)}:${addresses.toSorted().join()}`;
  }

  /** Connections in use stay. */
  dropIdle(): void {
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
}

const KEPT_MS = 4_000;
/** Fewer than a task has requests under way would make it connect for the others each time. */
const KEPT_PER_ORIGIN_MAX = 64;
/** A task that asks many hosts in turn does not fill the proxy's table of files. */
const KEPT_ORIGINS_MAX = 32;
