import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Denial, EgressTarget } from "../../domain/decide-egress.ts";
import type { ServedDoor } from "../../ports.ts";
import { headBytes } from "./forward-headers.ts";
import type { PacedRefusals } from "./paced-refusals.ts";
import type { Turns } from "./turns.ts";
import type { UpstreamPool } from "./upstream-pool.ts";

/** What a door has beside its rules. */
interface Served {
  readonly door: ServedDoor;
  readonly pool: UpstreamPool;
  readonly refusals: PacedRefusals;
  readonly turns: Turns;
  /** Called when no whole request head has come in time. */
  readonly onHeadTimeout: () => void;
}

/** One connection of a task to its door. Its requests are served one after the other, in the order in which they came. */
export class ClientConnection {
  readonly door: ServedDoor;
  readonly pool: UpstreamPool;
  readonly refusals: PacedRefusals;
  readonly socket: Socket;
  #tunnelTarget: EgressTarget | undefined;
  readonly #turns: Turns;
  #pending = 0;
  #aheadBytes = 0;
  #hasServed = false;
  #isRefused = false;
  #turn: Promise<void> = Promise.resolve();
  #headTimer: NodeJS.Timeout | undefined;
  readonly #onHeadTimeout: () => void;

  constructor(socket: Socket, served: Served) {
    this.socket = socket;
    this.door = served.door;
    this.pool = served.pool;
    this.refusals = served.refusals;
    this.#turns = served.turns;
    this.#onHeadTimeout = served.onHeadTimeout;
    this.#awaitHead();
    socket.once("close", () => clearTimeout(this.#headTimer));
  }

  /** Where all its requests go, once it is a tunnel of plain HTTP. */
  get tunnelTarget(): EgressTarget | undefined {
    return this.#tunnelTarget;
  }

  /** Its CONNECT has been answered; what follows are requests to that one origin. */
  enterTunnel(target: EgressTarget): void {
    this.#tunnelTarget = target;
    this.#pending -= 1;
    this.#hasServed = true;
    this.#awaitHead();
  }

  /** Requests that have been read and not been answered. */
  get pending(): number {
    return this.#pending;
  }

  /** Of the heads of those requests. */
  get aheadBytes(): number {
    return this.#aheadBytes;
  }

  /** What serves a request now; told when the rest of that request cannot be read. */
  current: { readonly request: IncomingMessage; readonly fail: (denial: Denial) => void } | undefined;
  #last: IncomingMessage | undefined;
  #broken: { readonly request: IncomingMessage; readonly denial: Denial } | undefined;

  /** The request that is still being read; undefined between requests. */
  get reading(): IncomingMessage | undefined {
    return this.#last?.complete === false ? this.#last : undefined;
  }

  /** Its rest cannot be read, so it is not served, or not any more. Nothing after it is. */
  breakOff(request: IncomingMessage, denial: Denial): void {
    this.#isRefused = true;
    if (this.current?.request === request) this.current.fail(denial);
    else this.#broken = { request, denial };
  }

  brokenBy(request: IncomingMessage): Denial | undefined {
    return this.#broken?.request === request ? this.#broken.denial : undefined;
  }

  /** A request was answered on it before. */
  get hasServed(): boolean {
    return this.#hasServed;
  }

  /** Its last answer is on the way; whatever comes is not read any more. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Runs `serve` when the requests before it have been answered. `serve` settles when its answer is out, or the connection is gone. */
  enqueue(request: IncomingMessage, serve: () => Promise<void>): void {
    this.#last = request;
    this.beginRequest();
    const bytes = headBytes(request.url ?? "", request.rawHeaders);
    this.#aheadBytes += bytes;
    this.#turn = this.#turn.then(async () => {
      await this.#turns.next();
      // What could not be served is of no use to anybody, whyever it failed.
      if (!this.socket.destroyed) await serve().catch(() => this.socket.destroy());
      this.#pending -= 1;
      this.#aheadBytes -= bytes;
      this.#hasServed = true;
      if (this.#pending === 0 && !this.socket.destroyed) this.#awaitHead();
    });
  }

  /** Nothing is served after the requests before; then `refuse` says why. */
  refuseLast(refuse: () => void): void {
    this.#isRefused = true;
    clearTimeout(this.#headTimer);
    void this.#turn.then(() => {
      clearTimeout(this.#headTimer);
      if (!this.socket.destroyed) refuse();
    });
  }

  /** A request head is complete: waiting for it is over. */
  beginRequest(): void {
    clearTimeout(this.#headTimer);
    this.#pending += 1;
  }

  #awaitHead(): void {
    clearTimeout(this.#headTimer);
    this.#headTimer = setTimeout(this.#onHeadTimeout, this.door.limits.headerTimeoutMs);
  }
}
