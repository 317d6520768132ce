import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

/** The same connection, but what is written first goes out in `pieces`, each by itself. */
export function splitFirstWrite(socket: Socket, pieces: number): Duplex {
  let isFirst = true;
  const duplex = new Duplex({
    read: () => void socket.resume(),
    write: (data: Buffer, _encoding, done) => {
      const parts = isFirst ? pieces : 1;
      isFirst = false;
      void writeInParts(socket, data, parts, done);
    },
    final: (done) => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (data: Buffer) => {
    if (!duplex.push(data)) socket.pause();
  });
  socket.once("end", () => duplex.push(null)).once("close", () => duplex.destroy());
  return duplex;
}

async function writeInParts(socket: Socket, data: Buffer, parts: number, done: (error?: Error | null) => void): Promise<void> {
  const size = Math.ceil(data.length / parts);
  for (let at = 0; at < data.length - size; at += size) {
    socket.write(data.subarray(at, at + size));
    // Without it the receiver may find several pieces at once.
    await delay(PAUSE_MS);
  }
  socket.write(data.subarray(Math.floor((data.length - 1) / size) * size), done);
}

const PAUSE_MS = 3;
