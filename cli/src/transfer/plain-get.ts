import { connect } from "node:net";
import { ResponseReader, type ResponseParts } from "./response-reader.ts";

export interface PlainGetOptions extends ResponseParts {
  readonly signal: AbortSignal;
  /** What comes is read into it, piece by piece. */
  readonly buffer: Buffer;
  readonly accept: string;
  readonly idleTimeoutMs: number;
}

const HTTP_PORT = 80;

/** One GET over a connection of its own, read into one buffer. Resolves at the end of a whole answer; rejects for anything else. */
export function plainGet(address: URL, { signal, buffer, accept, idleTimeoutMs, onStatus, onBody }: PlainGetOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const reader = new ResponseReader({ onStatus, onBody });
  const socket = connect({
    // An address of version 6 stands in brackets in a URL alone.
    host: address.hostname.replace(/^\[(.*)\]$/u, "$1"),
    port: address.port === "" ? HTTP_PORT : Number(address.port),
    signal,
    onread: {
      buffer,
      callback: (sizeBytes, bytes) => {
        try {
          reader.push(bytes.subarray(0, sizeBytes));
        } catch (error) {
          reject(error);
          socket.destroy();
          return false;
        }
        if (!reader.isDone) return true;
        resolve();
        socket.destroy();
        return false;
      },
    },
  });
  socket.setTimeout(idleTimeoutMs, () => socket.destroy(new Error(`no byte for ${idleTimeoutMs} ms`)));
  socket.on("error", reject);
  socket.on("end", () => {
    if (reader.mayEnd) resolve();
  });
  socket.on("close", () => {
    reject(new Error("closed before its end"));
  });
  // Percent-encoded by URL, so no letter of it ends a line.
  socket.write(
    `GET ${address.pathname}${address.search} HTTP/1.1\r\nhost: ${address.host}\r\naccept: ${accept}\r\nconnection: close\r\n\r\n`,
  );
  return promise;
}
