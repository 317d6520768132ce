import type { Clock } from "../ports.ts";
import { pause, waitAtMost } from "./wait.ts";

interface Watched<Message> {
  /** Resolves when a look may find news, or when aborted. */
  readonly waitForChange: (until: AbortSignal) => Promise<void>;
  /** What differs from what the reader has. */
  readonly look: () => AsyncIterable<Message> | Iterable<Message>;
  /** After the first look `synced`, then an empty message whenever there was nothing to say for 5 s. */
  readonly mark: (isSynced: boolean) => Message;
}

/** Looks, waits for a change, and looks again, at most every 100 ms. Pulled by the reader: while it does not read, nobody looks. */
export async function* watchByLooking<Message>(
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  { waitForChange, look, mark }: Watched<Message>,
): AsyncGenerator<Message> {
  let isWoken = false;
  for (let isSynced = true; !signal.aborted; isSynced = false) {
    const left = new AbortController();
    try {
      // Armed before the look, so that no change falls in between.
      const change = waitForChange(AbortSignal.any([signal, left.signal]));
      let isNews = false;
      for await (const message of look()) {
        isNews = true;
        yield message;
      }
      if (isSynced || !(isNews || isWoken)) yield mark(isSynced);
      isWoken = await waitAtMost(HEARTBEAT_MS, { clock, signal }, () => change);
      // Changes of a burst become one message.
      if (isWoken) await pause(COALESCE_MS, { clock, signal });
    } finally {
      left.abort();
    }
  }
}

const HEARTBEAT_MS = 5_000;
const COALESCE_MS = 100;
