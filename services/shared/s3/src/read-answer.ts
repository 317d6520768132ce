import type { IncomingMessage } from "node:http";
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
  const { idleTimeoutMs, signal } = options;
  const expected = options.isBodiless === true ? 0 : contentLength(response);
  let receivedBytes = 0;
  let isWaiting = true;
  let isIdle = false;
  const timer = setTimeout(() => {
    // While the reader is the slow one, silence says nothing about the server.
    if (!isWaiting) return void (response.destroyed || timer.refresh());
    isIdle = true;
    response.destroy();
  }, idleTimeoutMs);
  const abort = (): void => void response.destroy();
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    for await (const piece of response as AsyncIterable<Buffer>) {
      receivedBytes += piece.length;
      isWaiting = false;
      yield piece;
      isWaiting = true;
      timer.refresh();
    }
    signal.throwIfAborted();
    if (!response.complete || receivedBytes !== (expected ?? receivedBytes)) throw new Error("the body ended early");
  } catch (cause) {
    signal.throwIfAborted();
    const what = isIdle ? `sent nothing for ${idleTimeoutMs} ms` : "broke";
    throw new ConnectionFailure(`the connection ${what} after ${receivedBytes} of ${expected ?? "unknown many"} bytes`, {
      isTimeout: isIdle,
      cause,
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    if (!response.readableEnded) response.destroy();
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
