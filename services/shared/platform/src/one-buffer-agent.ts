import { Agent, type ClientRequestArgs } from "node:http";
import { connect, type NetConnectOpts, type Socket } from "node:net";

/**
 * An agent of node:http for large answers: each connection is read into one buffer of its own, again and again, where Node would take
 * a new one for each 64 KiB. Its parser copies the pieces of a body, so the buffer is free once a read has been through it.
 */
export class OneBufferAgent extends Agent {
  override createConnection(options: ClientRequestArgs): Socket {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const callback = (sizeBytes: number): boolean => {
      socket.emit("data", buffer.subarray(0, sizeBytes));
      return true;
    };
    const socket = connect({ ...(options as NetConnectOpts), onread: { buffer, callback } });
    return socket;
  }
}

/**
 * Gives the memory of a piece of a body back at once, which may be long before the collector comes. For bytes that nobody holds any
 * more; whoever does finds them empty.
 */
export function releasePiece({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= WORTH_BYTES && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

const READ_BYTES = 262_144;
const WORTH_BYTES = 8_192;
