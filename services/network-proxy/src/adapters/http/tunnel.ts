import type { Socket } from "node:net";
import type { Denial, EgressTarget } from "../../domain/decide-egress.ts";
import type { RateBucket } from "../../domain/rate-bucket.ts";
import type { Allowance, Passage } from "../../ports.ts";
import type { Opening } from "./await-hello.ts";
import type { ClientConnection } from "./client-connection.ts";
import { dial } from "./dial.ts";
import { limitReached, originFailure } from "./origin-failure.ts";
import { pump } from "./pump.ts";
import { Watchdog } from "./watchdog.ts";

export interface TunnelOptions {
  readonly client: ClientConnection;
  readonly target: EgressTarget;
  readonly allowance: Allowance;
}

/** One tunnel that was let through, from dialling to its end. It is over when the task's side is closed. */
export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #passage: Passage;
  readonly #dialling = new AbortController();
  readonly #stops: (() => void)[] = [];
  #watchdog: Watchdog | undefined;
  #upstream: Socket | undefined;
  #isOver = false;

  constructor(options: TunnelOptions) {
    this.#options = options;
    const { client, target, allowance } = options;
    this.#passage = client.door.admit(allowance, { method: "CONNECT", target }, (denial) => this.cut(denial));
    if (client.socket.destroyed) this.#end();
    else client.socket.once("close", () => this.#end());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The answer to the task when the origin cannot be reached. Given up when the task leaves meanwhile. */
  async dial(opening: Promise<Opening>): Promise<Denial | undefined> {
    const { client, target, allowance } = this.#options;
    void opening.then(({ kind }) => kind === "gone" && this.cut(undefined));
    try {
      const socket = await dial({
        addresses: allowance.addresses,
        port: target.port,
        timeoutMs: client.door.limits.connectTimeoutMs,
        signal: this.#dialling.signal,
      });
      socket.on("error", () => socket.destroy());
      this.#upstream = socket;
      if (this.#isOver) socket.destroy();
      return undefined;
    } catch (error) {
      if (this.#isOver) return undefined;
      const failure = originFailure(allowance.host, error);
      this.#passage.fail(failure, { isCounted: false });
      return failure;
    }
  }

  /** Lets the first bytes and all others through, both ways. */
  start(first: Buffer): void {
    const upstream = this.#upstream;
    const { client, allowance } = this.#options;
    if (this.#isOver || upstream === undefined) return;
    const { door, socket } = client;
    this.#watchdog = new Watchdog({
      idleTimeoutMs: door.limits.idleTimeoutMs,
      totalTimeoutMs: door.limits.totalTimeoutMs,
      onTimeout: (limit, limitMs) => this.#expire(limitReached(allowance.host, limit, limitMs)),
    });
    upstream.once("close", (hadError) => {
      // What the origin sent before it left in order is still on its way to the task.
      if (hadError || !upstream.readableEnded) socket.destroy();
    });
    // Like everything that follows it waits its turn: it may be more than the handshake.
    socket.unshift(first);
    this.#stops.push(
      pump({
        source: socket,
        target: upstream,
        bucket: () => this.#bucket(door.up),
        admit: (bytes) => this.#admitUp(bytes),
        onEnd: () => void upstream.end(),
      }),
      pump({
        source: upstream,
        target: socket,
        bucket: () => this.#bucket(door.down),
        admit: (bytes) => {
          this.#watchdog?.touch();
          this.#passage.receive(bytes);
          return true;
        },
        onEnd: () => void socket.end(),
      }),
    );
    socket.resume();
  }

  /** Ends both sides at once. A denial is a rule's doing, and counted. */
  cut(denial: Denial | undefined): void {
    if (this.#isOver) return;
    if (denial !== undefined) this.#passage.fail(denial, { isCounted: true });
    this.#options.client.socket.destroy();
    this.#end();
  }

  #expire(failure: Denial): void {
    this.#passage.fail(failure, { isCounted: false });
    this.cut(undefined);
  }

  #admitUp(bytes: number): boolean {
    this.#watchdog?.touch();
    const denial = this.#passage.send(bytes);
    if (denial !== undefined) this.cut(denial);
    return denial === undefined;
  }

  #bucket(bucket: RateBucket): RateBucket | undefined {
    return this.#options.client.door.limits.rateBitsPerSecond === 0 ? undefined : bucket;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#dialling.abort(OVER);
    this.#watchdog?.stop();
    for (const stop of this.#stops) stop();
    this.#upstream?.destroy();
    this.#passage.end();
  }
}

const OVER = new Error("the tunnel is over");
