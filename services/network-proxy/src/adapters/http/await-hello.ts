import type { Socket } from "node:net";
import { type ClientHello, readClientHello } from "../../domain/client-hello.ts";

/** How the beginning of a tunnel ended. */
export type Opening =
  | { readonly kind: "bytes"; readonly bytes: Buffer; readonly hello: ClientHello }
  /** The task left, or sent nothing that could be read, in time or size. */
  | { readonly kind: "gone" }
  | { readonly kind: "timeout" }
  | { readonly kind: "tooLong" };

export interface OpeningReader {
  /** Settles as soon as it is known what the first bytes are; the socket is paused then. */
  readonly opening: Promise<Opening>;
  /** The time for it begins. */
  startClock(timeoutMs: number): void;
  /** For a tunnel that will not be: nothing is read any more. */
  stop(): void;
  /** What has been read so far. */
  read(): Buffer;
}

/** Reads the first bytes of a tunnel. From the beginning, so that a task that leaves while the origin is dialled is seen. */
export function readOpening(socket: Socket, head: Buffer): OpeningReader {
  const { promise, resolve } = Promise.withResolvers<Opening>();
  let bytes = head;
  let wantedBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const finish = (opening: Opening): void => {
    clearTimeout(timer);
    socket.off("data", onData).off("end", onGone).off("close", onGone);
    socket.pause();
    resolve(opening);
  };
  const onGone = (): void => finish({ kind: "gone" });
  const judge = (): boolean => {
    if (bytes.length < wantedBytes) return false;
    const hello = readClientHello(bytes);
    if (hello.kind !== "incomplete") finish({ kind: "bytes", bytes, hello });
    else if (bytes.length > OPENING_BYTES_MAX) finish({ kind: "tooLong" });
    else wantedBytes = recordEnd(bytes);
    return hello.kind !== "incomplete" || bytes.length > OPENING_BYTES_MAX;
  };
  const onData = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    judge();
  };
  if (!judge()) socket.on("data", onData).on("end", onGone).on("close", onGone).resume();
  return {
    opening: promise,
    startClock: (timeoutMs) => {
      timer = setTimeout(() => finish({ kind: "timeout" }), timeoutMs);
      // It may be settled already; then there is nothing to wait for.
      void promise.then(() => clearTimeout(timer));
    },
    stop: () => finish({ kind: "gone" }),
    read: () => bytes,
  };
}

const OPENING_BYTES_MAX = 32 * 1024;

/** Where the record ends that is not whole yet: before that there is nothing to judge anew, however small the segments are. */
function recordEnd(bytes: Buffer): number {
  let end = 0;
  while (end + 5 <= bytes.length) end += 5 + bytes.readUInt16BE(end + 3);
  return Math.min(Math.max(end, bytes.length + 1), OPENING_BYTES_MAX + 1);
}
