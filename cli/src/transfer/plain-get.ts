import { connect } from "node:net";
import { HttpBody, type HttpHead } from "./http-body.ts";

/** Large enough that a busy connection takes few turns, small enough to stay in a processor's cache. */
const READ_BYTES = 64 * 1_024;

export interface PlainGetOptions {
  readonly signal: AbortSignal;
  readonly idleTimeoutMs: number;
  readonly onHead: (head: HttpHead) => void;
  /** Bytes are valid only until it returns. */
  readonly onPiece: (piece: Uint8Array) => void;
}

/**
 * A GET over a connection of its own that reads all of it into one buffer. `node:http` makes a new buffer for each 64 KiB, whose
 * collection takes more CPU than hashing and writing the bytes do. What a callback throws ends it and is thrown.
 */
export function plainGet(address: URL, { signal, idleTimeoutMs, onHead, onPiece }: PlainGetOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = new HttpBody(onHead, onPiece);
    const guarded = (read: () => void): void => {
      try {
        read();
        if (!body.isDone) return;
        resolve();
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    };
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (count: number, buffer: Uint8Array): boolean => {
        guarded(() => {
          body.push(buffer.subarray(0, count));
        });
        return true;
      },
    };
    const socket = connect({ host: address.hostname.replaceAll(/^\[|\]$/gu, ""), port: Number(address.port || "80"), onread, signal });
    socket.setTimeout(idleTimeoutMs, () => socket.destroy(new Error(`no byte for ${idleTimeoutMs} ms`)));
    socket.on("connect", () => socket.write(requestOf(address)));
    socket.on("end", () => {
      guarded(() => {
        body.end();
      });
    });
    socket.on("error", reject);
    socket.on("close", () => {
      reject(new Error("closed before its end"));
    });
  });
}

/** A URL's parts are percent-encoded, so none can end a line. */
function requestOf({ pathname, search, host }: URL): string {
  return `GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\naccept: application/vnd.ipld.car;version=1\r\nconnection: close\r\n\r\n`;
}
