import { setTimeout as delay } from "node:timers/promises";

/** Reads until `isDone` says yes and returns that value. @throws Error with the last value seen when `withinMs` is over. */
export async function eventually<T>(
  read: () => T | Promise<T>,
  isDone: (value: T) => boolean,
  { withinMs, everyMs = 20 }: { readonly withinMs: number; readonly everyMs?: number },
): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const value = await read();
    if (isDone(value)) return value;
    if (performance.now() > deadlineMs) throw new Error(`not so within ${withinMs} ms; last seen: ${describe(value)}`);
    await delay(everyMs);
  }
}

function describe(value: unknown): string {
  try {
    return (
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? `${inner}n` : inner))?.slice(0, 2_000) ?? "undefined"
    );
  } catch {
    return String(value); // A value with cycles has no JSON.
  }
}
