import { DomainError } from "@skrei/domain";
import { silentLogger } from "@skrei/platform/logger.ts";
import { expect, test } from "vitest";
import { aPolicy } from "../domain/testdata/a-policy.ts";
import type { Clock, LoadedPolicy, PolicySource } from "../ports.ts";
import { PolicyWatch } from "./policy-watch.ts";

/** Plays the texts of a file, one at each look, and stops at the last; each is a policy of its own unless it is bad. */
async function play(texts: readonly string[]): Promise<{ readonly inForce: readonly string[]; readonly sleepsMs: readonly number[] }> {
  const stop = new AbortController();
  const left = [...texts];
  let text = left.shift() ?? "";
  const inForce: string[] = [];
  const sleepsMs: number[] = [];
  const source: PolicySource = {
    read: (): LoadedPolicy => {
      if (text === "bad") throw new DomainError("invalid", "CONFIG_INVALID", "bad");
      return { policy: aPolicy(), domains: [], dnsServers: [], digest: text };
    },
    stamp: async () => text,
  };
  const clock: Clock = {
    nowMs: () => 0,
    sleep: async (delayMs) => {
      sleepsMs.push(delayMs);
      const next = left.shift();
      if (next === undefined) stop.abort();
      else text = next;
    },
  };
  const watch = new PolicyWatch(source, { logger: silentLogger, onChanged: () => inForce.push(watch.loaded.digest) });
  await watch.run({ clock, signal: stop.signal });
  return { inForce, sleepsMs };
}

test("a policy that is being written is read once it rests, within a second", async () => {
  const { inForce, sleepsMs } = await play(["1", "1", "half", "half of 2", "2", "2", "2"]);
  expect(inForce).toEqual(["2"]);
  expect((sleepsMs[0] ?? 0) + (sleepsMs[2] ?? 0)).toBeLessThan(1_000);
});

test("one that never rests is read now and then, and a bad one is not in force", async () => {
  const { inForce } = await play(Array.from({ length: 60 }, (_, index) => String(index)));
  expect(inForce.length).toBeGreaterThan(2);
  expect(inForce.length).toBeLessThan(10);
  expect((await play(["1", "bad", "bad", "bad", "3", "3"])).inForce).toEqual(["3"]);
});
