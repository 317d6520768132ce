import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { DomainError } from "@skrei/domain";
import type { BusAddress } from "./bus.ts";
import { noResponder } from "./memory-bus.ts";
import { type Control, decodeMeta, encodeControl, encodeMeta, isNoResponders, payloadBytes } from "./nats-frames.ts";
import { NatsReader } from "./nats-reader.ts";
import type { Subjects } from "./subjects.ts";
import type { Wire, WireCall } from "./wire.ts";

export interface NatsCallerOptions {
  readonly connection: NatsConnection;
  readonly subjects: Subjects;
  /** Replies to `<inbox>.<call>` come here. */
  readonly inbox: string;
  /** An open stream is heard of at least this often; three silences end it. */
  readonly beatIntervalMs: number;
  readonly isConnected: () => boolean;
}

interface Target {
  readonly address: BusAddress;
  /** Subject of acknowledgements and cancellations. */
  readonly control: string;
}

/** The calling half of a bus connection: one subscription for all replies. */
export class NatsCaller {
  readonly #options: NatsCallerOptions;
  readonly #open = new Map<string, NatsReader>();
  readonly #beats: NodeJS.Timeout;
  #calls = 0;

  constructor(options: NatsCallerOptions) {
    this.#options = options;
    options.connection.subscribe(`${options.inbox}.*`, { callback: (error, message) => this.#onReply(error, message) });
    this.#beats = setInterval(() => this.#beat(), options.beatIntervalMs).unref();
  }

  /** A wire to `address`. @throws DomainError invalid/FIELD_INVALID when no subject can name the address. */
  wire(address: BusAddress): Wire {
    const target: Target = { address, control: this.#options.subjects.control(address) };
    return {
      unary: async (call) => {
        const reader = this.#call(target, call);
        try {
          const first = await reader.first();
          if (first === undefined) throw new DomainError("unavailable", "INTERNAL_ERROR", "the answer has no message");
          const body = await reader.take();
          // A unary answer is one message; no end follows it.
          reader.close(true);
          return { header: first.header, trailer: first.trailer, body: body ?? new Uint8Array(0) };
        } finally {
          reader.close();
        }
      },
      stream: async (call) => {
        const reader = this.#call(target, call);
        const first = await reader.first();
        return { header: first?.header ?? new Headers(), trailer: reader.trailer, messages: messagesOf(reader) };
      },
    };
  }

  /** Ends every open call, because the wire went down. */
  fail(error: DomainError): void {
    for (const reader of this.#open.values()) reader.fail(error);
  }

  close(error: DomainError): void {
    clearInterval(this.#beats);
    this.fail(error);
  }

  #call(target: Target, call: WireCall): NatsReader {
    const { connection, subjects, inbox, isConnected } = this.#options;
    call.signal.throwIfAborted();
    if (!isConnected())
      throw new DomainError("unavailable", "BUS_UNAVAILABLE", "the message bus is not connected", {
        hint: "the call was not sent; try again soon",
      });
    const headers = encodeMeta({ header: call.header, timeoutMs: call.timeoutMs });
    assertFits(payloadBytes(call.body, headers), connection, `${call.service}.${call.method} request`);
    const key = (this.#calls++).toString(36);
    const reply = `${inbox}.${key}`;
    connection.publish(subjects.call(target.address, call.service, call.method), call.body, {
      reply,
      ...(headers !== undefined && { headers }),
    });
    const reader = new NatsReader({
      address: target.address,
      signal: call.signal,
      leaseMs: this.#options.beatIntervalMs * BEATS_MISSED_MAX,
      acknowledge: (sequence) => this.#control(target, { kind: "acknowledge", sequence, reply }),
      onClosed: (isEnded) => {
        this.#open.delete(key);
        if (!isEnded) this.#control(target, { kind: "cancel", sequence: 0, reply });
      },
    });
    this.#open.set(key, reader);
    return reader;
  }

  #control(target: Target, control: Control): void {
    const { connection } = this.#options;
    if (!connection.isClosed()) connection.publish(target.control, encodeControl(control));
  }

  #onReply(error: Error | null, message: Msg): void {
    if (error !== null) return;
    const reader = this.#open.get(message.subject.slice(this.#options.inbox.length + 1));
    if (reader === undefined) return;
    if (isNoResponders(message)) reader.fail(noResponder(reader.address));
    else reader.receive(message.data, message.headers === undefined ? undefined : decodeMeta(message.headers));
  }

  #beat(): void {
    const nowMs = performance.now();
    for (const reader of this.#open.values()) reader.beat(nowMs);
  }
}

/** @throws DomainError exhausted/MESSAGE_TOO_LARGE with both sizes. */
export function assertFits(bytes: number, connection: NatsConnection, what: string): void {
  const limit = connection.info?.max_payload ?? DEFAULT_PAYLOAD_BYTES_MAX;
  if (bytes <= limit) return;
  throw new DomainError("exhausted", "MESSAGE_TOO_LARGE", `the ${what} has ${bytes} bytes and the bus carries at most ${limit}`, {
    metadata: { sizeBytes: String(bytes), limitBytes: String(limit) },
    hint: "send it in smaller pieces, or raise max_payload of the NATS server",
  });
}

/** Beats that may be missed before the other side counts as gone. */
export const BEATS_MISSED_MAX = 3;
const DEFAULT_PAYLOAD_BYTES_MAX = 1024 * 1024;

async function* messagesOf(reader: NatsReader): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const body = await reader.take();
      if (body === undefined) return;
      yield body;
    }
  } finally {
    reader.close();
  }
}
