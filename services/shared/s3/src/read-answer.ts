import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { directBodyOf } from "@skrei/platform/direct-body.ts";
import { ConnectionFailure } from "./connection-failure.ts";

export interface ReadOptions {
  /** Longest wait for the next piece, while somebody waits for it. */
  readonly idleTimeoutMs: number;
  /** The answer to HEAD announces a length and has no body. */
  readonly isBodiless?: boolean;
  readonly signal: AbortSignal;
}

/**
 * The pieces of a body as they come, no faster than they are taken. Fails unless exactly as many bytes come as the headers said; the
 * connection is closed unless the body was read to its end.
 * @throws ConnectionFailure; the signal's reason.
 */
export async function* readBody(response: IncomingMessage, options: ReadOptions): AsyncGenerator<Buffer, void> {
  const { signal } = options;
  const expected = options.isBodiless === true ? 0 : contentLength(response);
  const body: AsyncIterable<Buffer> = directBodyOf(response) ?? response;
  let receivedBytes = 0;
  using idle = new IdleWatch(response, options.idleTimeoutMs);
  const abort = (): void => void response.destroy();
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    for await (const piece of body) {
      receivedBytes += piece.length;
      idle.pause();
      yield piece;
      idle.goOn();
    }
    signal.throwIfAborted();
    if (!isComplete(response) || receivedBytes !== (expected ?? receivedBytes)) throw new Error("the body ended early");
  } catch (cause) {
    signal.throwIfAborted();
    throw new ConnectionFailure(`the connection ${idle.words} after ${receivedBytes} of ${expected ?? "unknown many"} bytes`, {
      isTimeout: idle.isOver,
      cause,
    });
  } finally {
    signal.removeEventListener("abort", abort);
    if (!response.readableEnded) response.destroy();
  }
}

/** A body that was diverted is whole when it ends. */
function isComplete(response: IncomingMessage): boolean {
  return response.complete || directBodyOf(response) !== undefined;
}

/** Closes a connection that brings nothing for too long while somebody waits. */
class IdleWatch implements Disposable {
  readonly #response: IncomingMessage;
  /** The answer lets go of it at its end. */
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  #isWaiting = true;
  #bytesSeen: number;
  isOver = false;

  constructor(response: IncomingMessage, timeoutMs: number) {
    this.#response = response;
    this.#socket = response.socket;
    this.#timeoutMs = timeoutMs;
    this.#bytesSeen = this.#socket.bytesRead;
    this.#timer = setTimeout(() => this.#look(), timeoutMs);
  }

  get words(): string {
    return this.isOver ? `sent nothing for ${this.#timeoutMs} ms` : "broke";
  }

  pause(): void {
    this.#isWaiting = false;
  }

  goOn(): void {
    this.#isWaiting = true;
    this.#bytesSeen = this.#socket.bytesRead;
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  /** While the reader is the slow one, silence says nothing about the server; and a large piece takes its time. */
  #look(): void {
    if (this.#response.destroyed) return;
    const hasMoved = this.#socket.bytesRead > this.#bytesSeen;
    this.#bytesSeen = this.#socket.bytesRead;
    if (!this.#isWaiting || hasMoved) return void this.#timer.refresh();
    this.isOver = true;
    this.#response.destroy();
  }
}

/** The whole body as text. @throws ConnectionFailure, also when it is larger than `bytesMax`; the signal's reason. */
export async function readText(response: IncomingMessage, bytesMax: number, options: ReadOptions): Promise<string> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of readBody(response, options)) {
    sizeBytes += piece.length;
    if (sizeBytes > bytesMax) throw new ConnectionFailure(`an answer of more than ${bytesMax} bytes is not read`, { isFinal: true });
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** Bytes that the body will have; undefined when the server does not say. */
export function contentLength(response: IncomingMessage): number | undefined {
  const { "content-length": length } = response.headers;
  return length === undefined ? undefined : Number(length);
}
