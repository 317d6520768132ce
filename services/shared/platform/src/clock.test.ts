import { newJobId, parseJobId } from "@skrei/domain";
import { expect, test } from "vitest";
import { systemClock, systemRandomness } from "./clock.ts";

test("sleeps, also for no time and for longer than a timer can, and rejects with the reason of the signal", async () => {
  await systemClock.sleep(1, new AbortController().signal);
  await systemClock.sleep(-5, new AbortController().signal);
  await expect(systemClock.sleep(1_000, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
  const controller = new AbortController();
  const long = systemClock.sleep(Number.MAX_SAFE_INTEGER, controller.signal);
  controller.abort(new Error("later"));
  await expect(long).rejects.toThrow("later");
});

test("makes ids that parse and differ", () => {
  const source = { ...systemClock, ...systemRandomness };
  const ids = Array.from({ length: 100 }, () => newJobId(source));
  expect(ids.every((id) => parseJobId(id) === id)).toBe(true);
  expect(new Set(ids).size).toBe(100);
});
