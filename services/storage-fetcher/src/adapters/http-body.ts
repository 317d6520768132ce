import type { IncomingMessage } from "node:http";
import { DomainError } from "@skrei/domain";
import { directBodyOf } from "@skrei/platform/direct-body.ts";
import type { HttpAnswer } from "./http-request.ts";

export interface SpeedLimit {
  /** Fewer bytes than this in one window end the download. */
  readonly lowSpeedBytes: number;
  readonly lowSpeedWindowMs: number;
}

/**
 * Reads a body in pieces of about 1 MiB, which `take` keeps before more is read; they are valid only until then. Returns the
 * connection's error, if there was one, after what had arrived was taken; throws what `take` throws.
 * @throws DomainError unavailable/SOURCE_UNREACHABLE when the origin is too slow.
 */
export async function readBody(response: IncomingMessage, limit: SpeedLimit, take: (piece: Buffer) => Promise<void>): Promise<unknown> {
  const body = directBodyOf(response) ?? new ParsedBody(response);
  using _ = watchSpeed(response, limit, body);
  let isTaking = false;
  try {
    for await (const piece of body) {
      isTaking = true;
      await take(piece);
      isTaking = false;
    }
    return undefined;
  } catch (error) {
    // Refusals and full disks are final; only the connection's own errors may be repeated.
    if (isTaking || error instanceof DomainError) throw error;
    return error;
  }
}

/** Bytes came behind the end that the head had told. */
export function hasSurplus({ response, lateError }: HttpAnswer): boolean {
  const { code = "" }: NodeJS.ErrnoException = lateError() ?? new Error("none");
  return directBodyOf(response)?.hasSurplus === true || code.startsWith("HPE_");
}

interface Body extends AsyncIterable<Buffer> {
  readonly isWaiting: boolean;
}

/** What Node's parser made of a body that could not be diverted, such as one in chunks. */
class ParsedBody implements Body {
  readonly #parsed: AsyncIterable<Buffer>;
  isWaiting = true;

  constructor(response: IncomingMessage) {
    this.#parsed = response;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
    let sizeBytes = 0;
    let failure: { readonly cause: unknown } | undefined;
    try {
      for await (const piece of this.#parsed) {
        if (sizeBytes + piece.length > buffer.length) {
          yield* this.#give(buffer.subarray(0, sizeBytes));
          sizeBytes = 0;
        }
        // Node gives no such pieces now, but does not promise it.
        if (piece.length > buffer.length) yield* this.#give(piece);
        else sizeBytes += piece.copy(buffer, sizeBytes);
      }
    } catch (cause) {
      failure = { cause };
    }
    if (sizeBytes > 0) yield* this.#give(buffer.subarray(0, sizeBytes));
    if (failure !== undefined) throw failure.cause;
  }

  *#give(piece: Buffer): Generator<Buffer, void> {
    this.isWaiting = false;
    yield piece;
    this.isWaiting = true;
  }
}

function watchSpeed(response: IncomingMessage, { lowSpeedBytes, lowSpeedWindowMs }: SpeedLimit, body: Body): Disposable {
  let lastBytes = response.socket.bytesRead;
  const timer = setInterval(() => {
    const bytes = response.socket.bytesRead - lastBytes;
    lastBytes += bytes;
    // While we are the slow ones, few bytes say nothing about the origin.
    if (bytes >= lowSpeedBytes || !body.isWaiting || response.readableLength > 0) return;
    response.destroy(
      new DomainError(
        "unavailable",
        "SOURCE_UNREACHABLE",
        `The origin sent ${bytes} bytes in ${lowSpeedWindowMs} ms; at least ${lowSpeedBytes} are expected.`,
        { hint: "Try again when the origin is faster, or use another." },
      ),
    );
  }, lowSpeedWindowMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

const PIECE_BYTES = 1_048_576;
