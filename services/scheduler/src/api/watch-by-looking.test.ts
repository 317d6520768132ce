import { setImmediate as settle } from "node:timers/promises";
import { expect, test } from "vitest";
import { VirtualClock } from "../../../../test/simulation/virtual-clock.ts";
import { watchByLooking } from "./watch-by-looking.ts";

function aWatch(signal: AbortSignal) {
  const clock = new VirtualClock();
  const state = { news: [] as string[], wake: (): void => undefined, waiting: 0 };
  const stream = watchByLooking(
    { clock, signal },
    {
      waitForChange: (until) =>
        new Promise((resolve) => {
          state.waiting += 1;
          until.addEventListener("abort", () => (state.waiting -= 1), { once: true });
          state.wake = resolve;
        }),
      look: () => state.news.splice(0),
      mark: (isSynced) => (isSynced ? "synced" : "alive"),
    },
  );
  return { clock, state, next: async () => (await stream.next()).value as string | undefined, stream };
}

test("a change that comes while the reader has not asked for more is told when it does", async () => {
  const { clock, state, next, stream } = aWatch(new AbortController().signal);
  state.news.push("first");
  expect(await next()).toBe("first");
  state.news.push("second");
  state.wake();
  expect(await next()).toBe("synced");
  const told = next();
  await clock.run(200);
  expect(await told).toBe("second");
  await stream.return(undefined);
  expect(state.waiting).toBe(0);
});

test("a wake-up without news is not told, a quiet time of 5 s is", async () => {
  const { clock, state, next, stream } = aWatch(new AbortController().signal);
  expect(await next()).toBe("synced");
  let told: string | undefined;
  const waiting = next().then((message) => (told = message));
  for (let i = 0; i < 10; i++) {
    await settle();
    state.wake();
    await clock.run(200);
  }
  expect(told).toBeUndefined();
  await clock.run(5_000);
  await waiting;
  expect(told).toBe("alive");
  await stream.return(undefined);
  expect(state.waiting).toBe(0);
});

test("ends when the reader leaves, with nothing left waiting", async () => {
  const left = new AbortController();
  const { state, next } = aWatch(left.signal);
  expect(await next()).toBe("synced");
  const end = next();
  await settle();
  left.abort();
  expect(await end).toBeUndefined();
  expect(state.waiting).toBe(0);
});
