import { writeSync } from "node:fs";

/** Writes all of `data` to the host's own stdout or stderr; blocks while the agent does not read, which is the back-pressure. */
export function writeStdio(hostFd: number, data: Uint8Array): void {
  let offset = 0;
  while (offset < data.length) {
    try {
      offset += writeSync(hostFd, data, offset);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Atomics.wait(NEVER, 0, 0, 1);
    }
  }
}

/** Sleeps this thread. */
export function blockFor(delayMs: number): void {
  for (let left = delayMs; left > 0; left -= WAIT_MS_MAX) Atomics.wait(NEVER, 0, 0, Math.min(left, WAIT_MS_MAX));
}

const NEVER = new Int32Array(new SharedArrayBuffer(4));
const WAIT_MS_MAX = 2 ** 31;
