import { DomainError } from "@skrei/domain";
import type { BusAddress } from "./bus.ts";
import { decodeFrame, type Frame, type decodeMeta } from "./nats-frames.ts";
import { decodeError } from "./wire-error.ts";

export interface NatsReaderOptions {
  readonly address: BusAddress;
  readonly signal: AbortSignal;
  /** Silence after which the server counts as gone; only once it has been heard. */
  readonly leaseMs: number;
  /** Tells the server how many messages were consumed, which lets it send more. */
  readonly acknowledge: (sequence: number) => void;
  /** `isEnded`: the server knows already. */
  readonly onClosed: (isEnded: boolean) => void;
}

type FrameMeta = ReturnType<typeof decodeMeta>;

/** The answers to one call, in order; a lost one ends the call, it is never skipped. Holds at most one window of messages. */
export class NatsReader {
  readonly address: BusAddress;
  /** Complete when the stream has ended. */
  readonly trailer = new Headers();
  readonly #options: NatsReaderOptions;
  readonly #bodies: Uint8Array[] = [];
  #header = new Headers();
  #received = 0;
  #consumed = 0;
  #acknowledged = 0;
  #unacknowledgedBytes = 0;
  #heardAtMs: number | undefined;
  #beatAtMs = performance.now();
  #end: { readonly error: Error | undefined } | undefined;
  #isClosed = false;
  #wake: (() => void) | undefined;
  readonly #onAbort = (): void => this.close();

  constructor(options: NatsReaderOptions) {
    this.#options = options;
    this.address = options.address;
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Resolves when the first message or the end is here: its header and trailer, or undefined for an empty stream. */
  async first(): Promise<{ header: Headers; trailer: Headers } | undefined> {
    await this.#settled();
    if (this.#bodies.length > 0) return { header: this.#header, trailer: this.trailer };
    if (this.#end?.error !== undefined) throw this.#end.error;
    return undefined;
  }

  /** The next message; undefined after the last. */
  async take(): Promise<Uint8Array | undefined> {
    await this.#settled();
    const body = this.#bodies.shift();
    if (body === undefined) {
      if (this.#end?.error !== undefined) throw this.#end.error;
      return undefined;
    }
    this.#consumed++;
    this.#unacknowledgedBytes += body.byteLength;
    if (this.#consumed - this.#acknowledged >= WINDOW_MESSAGES / 2 || this.#unacknowledgedBytes >= WINDOW_BYTES / 2) this.#acknowledge();
    return body;
  }

  receive(data: Uint8Array, meta: FrameMeta | undefined): void {
    const frame = decodeFrame(data);
    if (frame === undefined || this.#end !== undefined) return;
    this.#heardAtMs = performance.now();
    if (frame.sequence !== this.#received + (frame.kind === "message" ? 1 : 0)) {
      this.fail(new DomainError("unavailable", "UNREACHABLE", `the bus lost messages of the stream after number ${this.#received}`));
    } else {
      this.#accept(frame, meta);
    }
  }

  fail(error: Error): void {
    this.#finish({ error }, false);
  }

  /** The caller is done with it; tells the server unless that has ended the call. */
  close(isEnded = this.#end !== undefined): void {
    if (this.#isClosed) return;
    // An error takes a stack, which is a third of the cost of a unary call; one that ended needs none.
    this.#finish({ error: isEnded ? undefined : new DomainError("cancelled", "CANCELLED", "the call was cancelled") }, isEnded);
  }

  /** Keeps the server's lease alive and checks ours. */
  beat(nowMs: number): void {
    const sinceBeatMs = nowMs - this.#beatAtMs;
    this.#beatAtMs = nowMs;
    if (this.#heardAtMs === undefined || this.#end !== undefined) return;
    // After a pause of this very process its messages are still in the socket; give them a chance.
    if (sinceBeatMs > this.#options.leaseMs / 2) this.#heardAtMs = nowMs;
    if (nowMs - this.#heardAtMs > this.#options.leaseMs) {
      this.fail(new DomainError("unavailable", "UNREACHABLE", `the server of the stream was silent for ${this.#options.leaseMs} ms`));
    } else {
      this.#acknowledge();
    }
  }

  #accept(frame: Frame, meta: FrameMeta | undefined): void {
    if (frame.kind === "beat") return;
    if (meta !== undefined) {
      if (this.#received === 0) this.#header = meta.header;
      meta.trailer.forEach((value, key) => this.trailer.append(key, value));
    }
    if (frame.kind === "end") {
      this.#finish({ error: meta?.code === undefined ? undefined : readError(frame.body) }, true);
      return;
    }
    this.#received++;
    this.#bodies.push(frame.body);
    this.#wake?.();
  }

  #acknowledge(): void {
    this.#acknowledged = this.#consumed;
    this.#unacknowledgedBytes = 0;
    this.#options.acknowledge(this.#consumed);
  }

  #finish(end: { readonly error: Error | undefined }, isEnded: boolean): void {
    this.#end ??= end;
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#options.onClosed(isEnded);
    this.#wake?.();
  }

  #settled(): Promise<void> | undefined {
    if (this.#bodies.length > 0 || this.#end !== undefined) return undefined;
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** What a server may send without an acknowledgement; one message always fits. Bounds the memory of a slow reader. */
export const WINDOW_MESSAGES = 256;
export const WINDOW_BYTES = 1024 * 1024;

function readError(body: Uint8Array): Error {
  try {
    return decodeError(body);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
