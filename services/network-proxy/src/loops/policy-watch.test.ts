import { DomainError } from "@skrei/domain";
import type { LogFields } from "@skrei/platform/log-fields.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { expect, test } from "vitest";
import { aPolicy } from "../domain/testdata/a-policy.ts";
import type { Clock, LoadedPolicy, PolicySource } from "../ports.ts";
import { PolicyWatch } from "./policy-watch.ts";

interface Played {
  readonly inForce: readonly string[];
  readonly sleepsMs: readonly number[];
  /** Lines of the log. */
  readonly logged: readonly LogFields[];
}

/** Plays the texts of a file, one at each look, and stops at the last; each is a policy of its own unless it is bad. */
async function play(texts: readonly string[]): Promise<Played> {
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
  const logged: LogFields[] = [];
  const log = (fields: LogFields): void => void logged.push(fields);
  const logger = { ...silentLogger, info: log, error: log };
  const watch = new PolicyWatch(source, { logger, onChanged: () => inForce.push(watch.loaded.digest) });
  await watch.run({ clock, signal: stop.signal });
  return { inForce, sleepsMs, logged };
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

test("each reading that changes something is a line of the log, without a stack when it failed", async () => {
  const { logged } = await play(["1", "bad", "bad", "1", "1", "1", "2", "2"]);
  expect(logged).toEqual([
    expect.objectContaining({ event: "policy.loaded", digest: "1" }),
    { event: "policy.rejected", reason: "CONFIG_INVALID", hint: "bad" },
    expect.objectContaining({ event: "policy.loaded", digest: "1" }),
    expect.objectContaining({ event: "policy.loaded", digest: "2" }),
  ]);
});

test("a reading that somebody asked for is told, though it changes nothing", () => {
  const logged: LogFields[] = [];
  const logger = { ...silentLogger, info: (fields: LogFields) => void logged.push(fields) };
  const loaded: LoadedPolicy = { policy: aPolicy(), domains: [], dnsServers: [], digest: "1" };
  const watch = new PolicyWatch({ read: () => loaded, stamp: async () => "" }, { logger, onChanged: () => undefined });
  watch.reload();
  expect(logged).toHaveLength(1);
  watch.reload({ isAsked: true });
  expect(logged).toHaveLength(2);
});
