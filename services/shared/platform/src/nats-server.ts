import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { DomainError } from "@skrei/domain";
import type { BusAddress } from "./bus.ts";
import { toConnectError } from "./connect-errors.ts";
import { shuttingDown } from "./memory-bus.ts";
import { assertFits, BEATS_MISSED_MAX } from "./nats-caller.ts";
import {
  decodeControl,
  decodeMeta,
  encodeFrame,
  encodeMeta,
  FRAME_HEAD_BYTES,
  type FrameKind,
  type Meta,
  payloadBytes,
} from "./nats-frames.ts";
import { NatsWindow } from "./nats-window.ts";
import { SERVERS_QUEUE, type Subjects } from "./subjects.ts";
import type { WireCall } from "./wire.ts";
import { encodeError } from "./wire-error.ts";
import { unimplemented, type WireMethod } from "./wire-server.ts";

export interface NatsServerOptions {
  readonly connection: NatsConnection;
  readonly subjects: Subjects;
  readonly address: BusAddress;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly beatIntervalMs: number;
}

/** The serving half: answers the calls to one address until it is disposed. */
export class NatsServer implements AsyncDisposable {
  readonly #options: NatsServerOptions;
  readonly #open = new Map<string, OpenCall>();
  readonly #subscriptions: Subscription[];
  readonly #beats: NodeJS.Timeout;
  #beatAtMs = performance.now();

  constructor(options: NatsServerOptions) {
    this.#options = options;
    const { connection, subjects, address, beatIntervalMs } = options;
    this.#subscriptions = [
      connection.subscribe(subjects.control(address), {
        callback: (error, message) => (error === null ? this.#onControl(message) : undefined),
      }),
      connection.subscribe(subjects.calls(address), {
        queue: SERVERS_QUEUE,
        callback: (error, message) => (error === null ? this.#onCall(message) : undefined),
      }),
    ];
    this.#beats = setInterval(() => this.#beat(), beatIntervalMs).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beats);
    for (const subscription of this.#subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
    const open = [...this.#open.values()];
    for (const call of open) call.abort.abort(toConnectError(shuttingDown()));
    await Promise.allSettled(open.map(({ ended }) => ended));
  }

  #onCall(message: Msg): void {
    const { reply } = message;
    // A call that nobody waits for is not worth running; every caller of ours gives a reply subject.
    if (reply === undefined || !this.#options.subjects.isInbox(reply)) return;
    const meta = decodeMeta(message.headers);
    const name = this.#options.subjects.methodOf(this.#options.address, message.subject);
    const method = this.#options.methods.get(name);
    const call: OpenCall = {
      abort: new AbortController(),
      window: new NatsWindow(),
      heardAtMs: performance.now(),
      ended: Promise.resolve(),
    };
    const cut = name.lastIndexOf(".");
    const incoming: WireCall = {
      service: name.slice(0, cut),
      method: name.slice(cut + 1),
      header: meta.header,
      body: message.data,
      timeoutMs: meta.timeoutMs,
      signal: call.abort.signal,
    };
    this.#open.set(reply, call);
    call.ended = this.#answer(reply, call, method, incoming).finally(() => this.#open.delete(reply));
  }

  async #answer(reply: string, call: OpenCall, method: WireMethod | undefined, incoming: WireCall): Promise<void> {
    try {
      if (method === undefined) throw unimplemented(`${incoming.service}.${incoming.method}`);
      if (method.isStream) await this.#answerStream(reply, call, method, incoming);
      else {
        const { body, header, trailer } = await method.unary(incoming);
        this.#send(reply, "message", 1, { body, header, trailer });
      }
    } catch (error) {
      this.#sendError(reply, call.window.sent, error);
    }
  }

  async #answerStream(reply: string, call: OpenCall, method: WireMethod, incoming: WireCall): Promise<void> {
    const { header, trailer, messages } = method.stream(incoming);
    // Tells the caller that someone works on it; its lease starts here.
    this.#send(reply, "beat", 0, {});
    for await (const body of messages) {
      await call.window.room(incoming.signal);
      // The window moves only once the message is on its way: one that does not fit must not leave a hole in the numbers.
      this.#send(reply, "message", call.window.sent + 1, { body, ...(call.window.sent === 0 && { header }) });
      call.window.add(body.byteLength);
    }
    this.#send(reply, "end", call.window.sent, { trailer });
  }

  #send(reply: string, kind: FrameKind, sequence: number, { body, ...meta }: Meta & { readonly body?: Uint8Array }): void {
    const { connection } = this.#options;
    if (connection.isClosed()) return;
    const headers = encodeMeta(meta);
    assertFits(FRAME_HEAD_BYTES + payloadBytes(body ?? NOTHING, headers), connection, "response");
    connection.publish(reply, encodeFrame(kind, sequence, body), headers === undefined ? {} : { headers });
  }

  #sendError(reply: string, sequence: number, error: unknown): void {
    const connectError = toConnectError(error);
    const bytesMax = Math.floor((this.#options.connection.info?.max_payload ?? ERROR_BYTES_MAX) / 2);
    this.#send(reply, "end", sequence, {
      body: encodeError(connectError, Math.min(bytesMax, ERROR_BYTES_MAX)),
      code: codeToString(connectError.code),
    });
  }

  #onControl(message: Msg): void {
    const control = decodeControl(message.data);
    const call = control === undefined ? undefined : this.#open.get(control.reply);
    if (control === undefined || call === undefined) return;
    call.heardAtMs = performance.now();
    if (control.kind === "cancel")
      call.abort.abort(toConnectError(new DomainError("cancelled", "CANCELLED", "the caller cancelled the call")));
    else call.window.acknowledge(control.sequence);
  }

  #beat(): void {
    const nowMs = performance.now();
    const leaseMs = this.#options.beatIntervalMs * BEATS_MISSED_MAX;
    const isLate = nowMs - this.#beatAtMs > leaseMs / 2;
    this.#beatAtMs = nowMs;
    for (const [reply, call] of this.#open) {
      // After a pause of this very process its messages are still in the socket; give them a chance.
      if (isLate) call.heardAtMs = nowMs;
      this.#send(reply, "beat", call.window.sent, {});
      if (nowMs - call.heardAtMs > leaseMs)
        call.abort.abort(toConnectError(new DomainError("cancelled", "CANCELLED", `the caller was silent for ${leaseMs} ms`)));
    }
  }
}

interface OpenCall {
  readonly abort: AbortController;
  readonly window: NatsWindow;
  heardAtMs: number;
  ended: Promise<void>;
}

const NOTHING = new Uint8Array(0);
/** Errors with many violations stay far below the usual 1 MiB of a message. */
const ERROR_BYTES_MAX = 256 * 1024;
