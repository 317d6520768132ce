import { expect, test } from "vitest";
import { mergeStreams } from "./merge-streams.ts";

const signal = new AbortController().signal;

test("runs no more streams at once than it may, and all of them in the end", async () => {
  const merge = mergeStreams<number>({ concurrencyMax: 2, signal });
  let running = 0;
  let most = 0;
  for (let stream = 0; stream < 10; stream++) {
    merge.add(async function* () {
      most = Math.max(most, ++running);
      for (let item = 0; item < 5; item++) {
        await Promise.resolve();
        yield stream * 10 + item;
      }
      running -= 1;
    });
  }
  merge.close();
  const items: number[] = [];
  for await (const item of merge) items.push(item);
  expect(new Set(items).size).toBe(50);
  expect(most).toBe(2);
});

test("closes every stream when the reader leaves, and asks none for more than it took", async () => {
  const merge = mergeStreams<number>({ concurrencyMax: 5, signal });
  let made = 0;
  let closed = 0;
  const done = Promise.withResolvers<void>();
  for (let stream = 0; stream < 3; stream++) {
    merge.add(async function* () {
      try {
        for (;;) yield made++;
      } finally {
        closed += 1;
        if (closed === 3) done.resolve();
      }
    });
  }
  for await (const _ of merge) break;
  await done.promise;
  expect(made).toBeLessThanOrEqual(4);
});

test("hands on what was held before a failure ends it", async () => {
  const merge = mergeStreams<string>({ concurrencyMax: 2, signal });
  merge.add(async function* () {
    yield "first";
    throw new Error("broken");
  });
  const items: string[] = [];
  await expect(async () => {
    for await (const item of merge) items.push(item);
  }).rejects.toThrow("broken");
  expect(items).toEqual(["first"]);
});

test("ends when its signal aborts, also while nothing comes", async () => {
  const left = new AbortController();
  const merge = mergeStreams<never>({ concurrencyMax: 1, signal: left.signal });
  const reading = (async () => {
    for await (const _ of merge) throw new Error("nothing should come");
  })();
  left.abort();
  await reading;
});
