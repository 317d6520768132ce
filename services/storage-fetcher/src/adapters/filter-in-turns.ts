import { performance } from "node:perf_hooks";
import { setImmediate } from "node:timers/promises";
import { DomainError } from "@skrei/domain";

/**
 * Those for which `isWanted` holds, in the order given. A stranger's pattern may take long for each name, so others get their turn in
 * between, and there is an end to it.
 * @throws DomainError exhausted/SOURCE_TOO_LARGE; the signal's reason.
 */
export async function filterInTurns<T>(items: readonly T[], isWanted: (item: T) => boolean, signal: AbortSignal): Promise<readonly T[]> {
  const wanted: T[] = [];
  let spentMs = 0;
  let turnAtMs = performance.now();
  for (const item of items) {
    if (isWanted(item)) wanted.push(item);
    const turnMs = performance.now() - turnAtMs;
    if (turnMs < TURN_MS) continue;
    spentMs += turnMs;
    if (spentMs > SPENT_MS_MAX) throw tooSlow(items.length);
    await setImmediate();
    signal.throwIfAborted();
    turnAtMs = performance.now();
  }
  return wanted;
}

function tooSlow(count: number): DomainError {
  return new DomainError("exhausted", "SOURCE_TOO_LARGE", `The input's pattern needs more than ${SPENT_MS_MAX} ms for ${count} names.`, {
    hint: "Write a simpler pattern, or name fewer files.",
  });
}

const TURN_MS = 10;
/** Ordinary patterns need a hundredth of it for as many names as an input may have. */
const SPENT_MS_MAX = 60_000;
