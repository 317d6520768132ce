import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import { DomainError } from "@skrei/domain";
import { connectionWords, systemCodeOf } from "@skrei/platform/connection-words.ts";
import { ConnectionFailure } from "./connection-failure.ts";

/** Bytes to send that can be had again for another try. */
export interface ObjectBody {
  readonly sizeBytes: number;
  /** From the first byte, each time; exactly `sizeBytes` of them. Ended early when the request ends early. */
  open(): AsyncIterable<Uint8Array>;
}

export interface ExchangeOptions {
  readonly body: Uint8Array | ObjectBody | undefined;
  /** Longest silence: from the request, or the last piece of its body that the connection took, to the answer's headers. */
  readonly answerTimeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Sends the body and gives the answer, whose own body has not been read. An answer that comes before the body is through ends the
 * sending. The connection is closed on every failure.
 * @throws ConnectionFailure; what the body's source throws; the signal's reason.
 */
export async function exchange(request: ClientRequest, options: ExchangeOptions): Promise<IncomingMessage> {
  const { signal, answerTimeoutMs } = options;
  // Beside the request's own events: one that waits for a free connection tells nobody that it was destroyed.
  const ended = Promise.withResolvers<never>();
  using watch = new Silence(answerTimeoutMs, () => {
    ended.reject(new ConnectionFailure(`no sign of life within ${answerTimeoutMs} ms`, { isTimeout: true }));
  });
  const abort = (): void => ended.reject(signal.reason);
  signal.addEventListener("abort", abort);
  // Lasting: without a listener an error after the headers would end the process.
  request.on("error", () => undefined);
  const sending = new AbortController();
  try {
    signal.throwIfAborted();
    const answered = once(request, "response") as Promise<[IncomingMessage]>;
    const sent = send(request, options.body, { watch, stop: sending.signal });
    const [response] = await Promise.race([answered, sent.then(() => answered), ended.promise]);
    response.on("error", () => undefined); // As above; whoever reads the body gets it.
    if (!request.writableFinished) request.shouldKeepAlive = false;
    return response;
  } catch (error) {
    request.destroy();
    signal.throwIfAborted();
    if (error instanceof SourceFailure) throw error.cause;
    throw error instanceof DomainError ? error : toFailure(error);
  } finally {
    sending.abort();
    signal.removeEventListener("abort", abort);
  }
}

/** What went wrong in the caller's own stream is no fault of the connection. */
class SourceFailure extends Error {}

/** Ends a request that shows no life for too long. */
class Silence implements Disposable {
  readonly #timer: NodeJS.Timeout;

  constructor(timeoutMs: number, over: () => void) {
    this.#timer = setTimeout(over, timeoutMs);
  }

  broken(): void {
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

interface Sending {
  readonly watch: Silence;
  readonly stop: AbortSignal;
}

async function send(request: ClientRequest, body: Uint8Array | ObjectBody | undefined, sending: Sending): Promise<void> {
  if (body === undefined) return void request.end();
  if (!(body instanceof Uint8Array)) return await sendFrom(request, body, sending);
  await write(request, body, sending);
  if (!sending.stop.aborted) request.end();
}

async function sendFrom(request: ClientRequest, body: ObjectBody, sending: Sending): Promise<void> {
  let sentBytes = 0;
  for await (const piece of guarded(body)) {
    if (sending.stop.aborted) return;
    sentBytes += piece.length;
    if (sentBytes > body.sizeBytes) break;
    await write(request, piece, sending);
  }
  if (sending.stop.aborted) return;
  if (sentBytes !== body.sizeBytes) throw sizeMismatch(body.sizeBytes, sentBytes);
  request.end();
}

async function* guarded(body: ObjectBody): AsyncGenerator<Uint8Array> {
  try {
    yield* body.open();
  } catch (cause) {
    throw new SourceFailure("the body's source failed", { cause });
  }
}

/** In pieces, so that each one that the connection takes counts as life. */
async function write(request: ClientRequest, bytes: Uint8Array, { watch, stop }: Sending): Promise<void> {
  for (let at = 0; at < bytes.length && !stop.aborted; at += PIECE_BYTES) {
    // A request that ends says so by its error or by its answer, not here.
    if (!request.write(bytes.subarray(at, at + PIECE_BYTES))) await once(request, "drain", { signal: stop }).catch(() => undefined);
    watch.broken();
  }
}

function sizeMismatch(expected: number, sent: number): DomainError {
  const what = sent > expected ? `more than the ${expected} bytes` : `${sent} of the ${expected} bytes`;
  return new DomainError("invalid", "SOURCE_SIZE_MISMATCH", `The object to store gave ${what} that it had said.`, {
    hint: "The file changed while it was being sent; send it again.",
  });
}

function toFailure(error: unknown): ConnectionFailure {
  if (error instanceof ConnectionFailure) return error;
  const code = systemCodeOf(error) ?? "";
  const wasSent = !NEVER_CONNECTED.includes(code);
  return new ConnectionFailure(connectionWords(error), { wasSent, isFinal: code === "ENOTFOUND", cause: error });
}

const NEVER_CONNECTED = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"];
/** With the default limit of 30 s a connection of 9 kB/s is fast enough. */
const PIECE_BYTES = 262_144;
