import type { IncomingMessage } from "node:http";
import { DomainError } from "@skrei/domain";

export interface SpeedLimit {
  /** Fewer bytes than this in one window end the download. */
  readonly lowSpeedBytes: number;
  readonly lowSpeedWindowMs: number;
}

/**
 * Reads a body in pieces of about 1 MiB, which `take` keeps before more is read. Returns the connection's error, if there was one,
 * after what had arrived was taken; throws what `take` throws.
 * @throws DomainError unavailable/SOURCE_UNREACHABLE when the origin is too slow.
 */
export async function readBody(
  response: IncomingMessage,
  limit: SpeedLimit,
  take: (pieces: readonly Buffer[], sizeBytes: number) => Promise<void>,
): Promise<unknown> {
  const batch = new Batch(take);
  using _ = watchSpeed(response, limit, batch);
  let failure: unknown;
  try {
    for await (const piece of response as AsyncIterable<Buffer>) await batch.add(piece);
  } catch (error) {
    // Refusals and full disks are final; only the connection's own errors may be repeated.
    if (batch.hasFailed || error instanceof DomainError) throw error;
    failure = error;
  }
  await batch.flush();
  return failure;
}

class Batch {
  readonly #take: (pieces: readonly Buffer[], sizeBytes: number) => Promise<void>;
  #pieces: Buffer[] = [];
  #sizeBytes = 0;
  isTaking = false;
  hasFailed = false;

  constructor(take: (pieces: readonly Buffer[], sizeBytes: number) => Promise<void>) {
    this.#take = take;
  }

  async add(piece: Buffer): Promise<void> {
    this.#pieces.push(piece);
    this.#sizeBytes += piece.length;
    if (this.#sizeBytes >= BATCH_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#sizeBytes === 0) return;
    this.isTaking = true;
    this.hasFailed = true;
    await this.#take(this.#pieces, this.#sizeBytes);
    this.hasFailed = false;
    this.isTaking = false;
    this.#pieces = [];
    this.#sizeBytes = 0;
  }
}

function watchSpeed(response: IncomingMessage, { lowSpeedBytes, lowSpeedWindowMs }: SpeedLimit, batch: Batch): Disposable {
  let lastBytes = response.socket.bytesRead;
  const timer = setInterval(() => {
    const bytes = response.socket.bytesRead - lastBytes;
    lastBytes += bytes;
    // While we are the slow ones, few bytes say nothing about the origin.
    if (bytes >= lowSpeedBytes || batch.isTaking || response.readableLength > 0) return;
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

const BATCH_BYTES = 1_048_576;
