import { expect, test } from "vitest";
import { endByNodeClock } from "./end-by-node-clock.ts";

const END = { exitCode: 0, failure: undefined, startedAtMs: 1_200, endedAtMs: 1_200, peakMemoryBytes: 0, imageDigest: "" };

test.each([
  ["a short container took what launching it and reading its output took", { startedAtMs: 1_000, seenAtMs: 1_291 }, 1_000, 1_291],
  ["an end that the engine says is later stays", { startedAtMs: 1_000, seenAtMs: 1_100 }, 1_000, 1_200],
  ["a run that ended while no agent watched ended when its engine says", { startedAtMs: 1_000, seenAtMs: undefined }, 1_000, 1_200],
  ["no run ends before it began", { startedAtMs: 5_000, seenAtMs: undefined }, 5_000, 5_000],
  ["without a start of its own the engine's is taken", { startedAtMs: undefined, seenAtMs: undefined }, 1_200, 1_200],
])("%s", (_, seen, startedAtMs, endedAtMs) => {
  expect(endByNodeClock(END, seen)).toEqual({ ...END, startedAtMs, endedAtMs });
});
