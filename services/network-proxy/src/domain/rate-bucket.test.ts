import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BURST_BYTES, RateBucket, SLICE_BYTES } from "./rate-bucket.ts";

const RATE = 10_000_000;
const msOf = (bytes: number): number => (bytes * 8_000) / RATE;

describe("a bucket", () => {
  test("lets a burst of 64 KiB pass at once and then one byte each 0.8 µs", () => {
    const bucket = new RateBucket(RATE);
    for (let taken = 0; taken < BURST_BYTES; taken += SLICE_BYTES) expect(bucket.take(SLICE_BYTES, 1_000)).toBe(1_000);
    expect(bucket.take(SLICE_BYTES, 1_000)).toBeCloseTo(1_000 + msOf(SLICE_BYTES), 6);
    expect(bucket.take(1, 1_000)).toBeCloseTo(1_000 + msOf(SLICE_BYTES + 1), 6);
  });

  test("fills up again in a pause, and never beyond the burst", () => {
    const bucket = new RateBucket(RATE);
    bucket.take(BURST_BYTES, 0);
    expect(bucket.take(SLICE_BYTES, msOf(SLICE_BYTES))).toBeCloseTo(msOf(SLICE_BYTES), 6);
    expect(bucket.take(BURST_BYTES, 3_600_000)).toBe(3_600_000);
    expect(bucket.take(1, 3_600_000)).toBeGreaterThan(3_600_000);
  });

  test("with a rate of 0 never waits", () => {
    const bucket = new RateBucket(0);
    for (let round = 0; round < 100; round += 1) expect(bucket.take(2 ** 40, 5)).toBe(5);
  });

  test("follows a new rate for what is taken from then on", () => {
    const bucket = new RateBucket(RATE);
    bucket.take(BURST_BYTES, 0);
    bucket.setRate(RATE / 10);
    const first = bucket.take(SLICE_BYTES, 0);
    expect(bucket.take(SLICE_BYTES, 0) - first).toBeCloseTo(10 * msOf(SLICE_BYTES), 6);
    bucket.setRate(0);
    expect(bucket.take(SLICE_BYTES, 7)).toBe(7);
  });

  test("does not let more pass in any time than the rate and one burst", () => {
    const takes = fc.array(fc.tuple(fc.integer({ min: 1, max: SLICE_BYTES }), fc.integer({ min: 0, max: 40 })), { maxLength: 200 });
    fc.assert(
      fc.property(takes, (list) => {
        const bucket = new RateBucket(RATE);
        let nowMs = 0;
        const passed = list.map(([bytes, pauseMs]) => {
          nowMs += pauseMs;
          return { bytes, atMs: bucket.take(bytes, nowMs) };
        });
        for (const [from, first] of passed.entries()) {
          let bytes = 0;
          for (const next of passed.slice(from)) {
            bytes += next.bytes;
            expect(bytes).toBeLessThanOrEqual(((next.atMs - first.atMs) * RATE) / 8_000 + BURST_BYTES + 1e-3);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test.each([1, 8, 64])("gives %i greedy connections the rate within 1 % over 10 s, in equal parts", (connections) => {
    const bucket = new RateBucket(RATE);
    const passed = Array.from({ length: connections }, () => 0);
    const freeAtMs = passed.map(() => 0);
    for (let nowMs = 0; nowMs < 10_000; nowMs = Math.min(...freeAtMs)) {
      const index = freeAtMs.indexOf(nowMs);
      const passesAtMs = bucket.take(SLICE_BYTES, nowMs);
      freeAtMs[index] = passesAtMs;
      if (passesAtMs < 10_000) passed[index] = (passed[index] ?? 0) + SLICE_BYTES;
    }
    const totalBytes = passed.reduce((sum, bytes) => sum + bytes, 0);
    expect(Math.abs((totalBytes * 8) / 10 / RATE - 1)).toBeLessThan(0.01);
    expect(Math.max(...passed) - Math.min(...passed)).toBeLessThanOrEqual(BURST_BYTES + SLICE_BYTES);
  });
});
