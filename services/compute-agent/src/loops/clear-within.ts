import type { Clock } from "../ports.ts";

/** Waits for `clear`, but no longer than `clearMs`: whoever is asked to let go may never answer. @throws what `clear` throws. */
export async function clearWithin(
  clear: () => Promise<void>,
  { clock, clearMs }: { readonly clock: Clock; readonly clearMs: number },
): Promise<void> {
  const done = new AbortController();
  const tooLate = clock.sleep(clearMs, done.signal).then(
    () => Promise.reject(new Error(`not done within ${clearMs} ms`)),
    () => undefined,
  );
  try {
    await Promise.race([clear(), tooLate]);
  } finally {
    done.abort();
  }
}
