import { once } from "node:events";
import { Worker } from "node:worker_threads";

export interface Swapper extends AsyncDisposable {
  /** So many times the names changed places. */
  swaps(): number;
}

/** Two names change places as fast as a thread can rename, until disposed: whoever checks a path and then uses it is caught. */
export async function startSwapper(first: string, second: string): Promise<Swapper> {
  const state = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(PROGRAM, { eval: true, workerData: { first, second, state } });
  await once(worker, "online");
  return {
    swaps: () => Atomics.load(state, 1),
    [Symbol.asyncDispose]: async () => {
      const exited = once(worker, "exit");
      Atomics.store(state, 0, 1);
      await exited;
    },
  };
}

/** Whoever is under test may have made a folder of the name meanwhile; that makes way. */
const PROGRAM = `
const { renameSync, rmSync } = require("node:fs");
const { first, second, state } = require("node:worker_threads").workerData;
function move(from, to) {
  for (;;) {
    try {
      return renameSync(from, to);
    } catch {
      try {
        rmSync(to, { recursive: true, force: true });
      } catch {}
    }
  }
}
while (Atomics.load(state, 0) === 0) {
  move(first, first + ".aside");
  move(second, first);
  move(first + ".aside", second);
  Atomics.add(state, 1, 1);
}
`;
