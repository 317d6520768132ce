import type { IncomingMessage } from "node:http";

/**
 * Hands the chunks of a body on as one piece as far as they came together. The parser makes an object and an event of each, and a
 * chunk may be a single byte: a connection could keep megabytes in this way, and the process busy. `onFraming` is told how many
 * bytes the framing took that is left out.
 */
export function gatherPieces(message: IncomingMessage, onFraming: (bytes: number) => void): void {
  if (message.headers["transfer-encoding"] === undefined) return;
  const push = message.push.bind(message);
  let gathered = Buffer.alloc(0);
  let bytes = 0;
  let pieces = 0;
  const flush = (): void => {
    if (bytes === 0) return;
    const whole = gathered.subarray(0, bytes);
    onFraming((pieces - 1) * FRAMING_BYTES);
    bytes = 0;
    pieces = 0;
    gathered = Buffer.alloc(0);
    push(whole);
  };
  message.push = (piece: Buffer | null): boolean => {
    if (piece === null || piece.length > PIECE_BYTES_MAX) {
      flush();
      return push(piece);
    }
    if (bytes + piece.length > gathered.length) flush();
    if (bytes === 0) {
      gathered = Buffer.allocUnsafe(GATHERED_BYTES_MAX);
      // Not `process.nextTick`: the server's parser runs it after each chunk.
      setImmediate(flush);
    }
    bytes += piece.copy(gathered, bytes);
    pieces += 1;
    return message.readableLength + bytes < message.readableHighWaterMark;
  };
}

/** Larger ones are not worth a copy. */
const PIECE_BYTES_MAX = 1_024;
const GATHERED_BYTES_MAX = 16 * 1_024;
/** The size in one digit and two line ends. */
const FRAMING_BYTES = 5;
