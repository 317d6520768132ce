import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventually } from "../../../../test/kit/eventually.ts";
import type { Clock } from "../ports.ts";
import { Leftovers } from "./leftovers.ts";

/** Short waits are a turn of the event loop, the bound of a call never comes. */
const clock: Clock = {
  nowMs: () => 0,
  sleep: async (delayMs) => (delayMs < CLEAR_MS ? await turn() : await new Promise<void>(() => undefined)),
};
const CLEAR_MS = 10_000;

test("what could not be taken away is tried again until it is gone, and then left alone", async () => {
  const calls: string[] = [];
  const leftovers = new Leftovers({ clock, clearMs: CLEAR_MS });
  leftovers.add("a door", async () => {
    calls.push("door");
    if (calls.filter((call) => call === "door").length < 3) throw new Error("the proxy is away");
  });
  leftovers.add("inputs", async () => void calls.push("inputs"));
  const stop = new AbortController();
  const running = leftovers.run(stop.signal);
  await eventually(
    () => calls.filter((call) => call === "door").length,
    (count) => count === 3,
    { withinMs: 5_000 },
  );
  for (let turns = 0; turns < 10; turns++) await turn();
  stop.abort();
  await running;
  expect(calls.toSorted()).toEqual(["door", "door", "door", "inputs"]);
});
