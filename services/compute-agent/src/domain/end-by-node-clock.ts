import type { RunEnd } from "./run.ts";

/**
 * The end as the node saw it: a run ends when its output is complete, and began when the agent began to launch it. Engines take their
 * times at other moments, so that a short container seems to have taken no time at all; theirs is the end only when it is later, or
 * when nobody watched the run to its end (`seenAtMs` is undefined).
 */
export function endByNodeClock(
  end: RunEnd,
  { startedAtMs, seenAtMs }: { startedAtMs: number | undefined; seenAtMs: number | undefined },
): RunEnd {
  const startMs = startedAtMs ?? end.startedAtMs;
  return { ...end, startedAtMs: startMs, endedAtMs: Math.max(startMs, end.endedAtMs, seenAtMs ?? 0) };
}
