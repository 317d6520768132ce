import { DomainError } from "@skrei/domain";
import type { ObjectDownload } from "@skrei/s3/object-download.ts";
import type { SpeedLimit } from "./http-body.ts";

/** The pieces of a body while they come fast enough. @throws DomainError unavailable/SOURCE_UNREACHABLE; errors of the body as they are. */
export async function* readWithSpeed(download: ObjectDownload, limit: SpeedLimit): AsyncGenerator<Buffer, void> {
  const { lowSpeedBytes, lowSpeedWindowMs } = limit;
  let lastBytes = download.connectionBytes();
  let isWaiting = true;
  let slow: DomainError | undefined;
  const timer = setInterval(() => {
    const bytes = download.connectionBytes() - lastBytes;
    lastBytes += bytes;
    // While we are the slow ones, few bytes say nothing about the server.
    if (bytes >= lowSpeedBytes || !isWaiting) return;
    slow = tooSlow(bytes, limit);
    download[Symbol.dispose]();
  }, lowSpeedWindowMs);
  try {
    for await (const piece of download.body) {
      isWaiting = false;
      yield piece;
      isWaiting = true;
    }
  } catch (error) {
    throw slow ?? error;
  } finally {
    clearInterval(timer);
  }
}

function tooSlow(bytes: number, { lowSpeedBytes, lowSpeedWindowMs }: SpeedLimit): DomainError {
  return new DomainError(
    "unavailable",
    "SOURCE_UNREACHABLE",
    `The server sent ${bytes} bytes of an object in ${lowSpeedWindowMs} ms; at least ${lowSpeedBytes} are expected.`,
    { hint: "Try again when the server is faster, or use another." },
  );
}
