import fc from "fast-check";
import { expect, test } from "vitest";
import { WINDOW_BYTES, WINDOW_MESSAGES } from "./nats-reader.ts";
import { NatsWindow } from "./nats-window.ts";

test("never has more than a window on its way, whatever is lost, repeated or late among acknowledgements", async () => {
  const step = fc.oneof(
    fc.record({ send: fc.integer({ min: 0, max: WINDOW_BYTES * 2 }) }),
    fc.record({ acknowledge: fc.integer({ min: 0, max: 2_000 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 1_000 }), async (steps) => {
      const window = new NatsWindow();
      const sizes: number[] = [];
      let acknowledged = 0;
      for (const next of steps) {
        if ("acknowledge" in next) {
          window.acknowledge(next.acknowledge);
          acknowledged = Math.max(acknowledged, Math.min(next.acknowledge, sizes.length));
          continue;
        }
        const open = sizes.slice(acknowledged);
        const hasRoom = open.length < WINDOW_MESSAGES && (open.length === 0 || sum(open) < WINDOW_BYTES);
        expect(await isAtOnce(window)).toBe(hasRoom);
        if (!hasRoom) continue;
        window.add(next.send);
        sizes.push(next.send);
        expect(window.sent).toBe(sizes.length);
      }
    }),
    { numRuns: 50 },
  );
});

test("wakes the sender when room is made, and rejects with the reason of its signal", async () => {
  const window = new NatsWindow();
  for (let i = 0; i < WINDOW_MESSAGES; i++) window.add(1);
  const signal = new AbortController();
  const waiting = window.room(signal.signal);
  window.acknowledge(1);
  await waiting;
  window.add(1);
  const aborted = window.room(signal.signal);
  signal.abort(new Error("gone"));
  await expect(aborted).rejects.toThrow("gone");
  await expect(window.room(signal.signal)).rejects.toThrow("gone");
});

async function isAtOnce(window: NatsWindow): Promise<boolean> {
  const signal = new AbortController();
  const room = window.room(signal.signal).then(
    () => true,
    () => false,
  );
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  signal.abort();
  return await room;
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}
