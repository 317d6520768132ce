import { expect, test } from "vitest";
import { type GatewayFault, GOOD_STANDING, type GatewayStanding, parseRetryAfter, standingAfter } from "./gateway-standing.ts";

const failed: GatewayFault = { kind: "failed", words: "answered 502" };
const absent: GatewayFault = { kind: "absent", words: "does not give the block (404)" };

test("pauses twice as long after each failure, a minute at most", () => {
  const pauses: number[] = [];
  let standing = GOOD_STANDING;
  for (let nowMs = 1_000; pauses.length < 12; nowMs = standing.notBeforeMs) {
    standing = standingAfter(standing, failed, { askedAtMs: nowMs, nowMs });
    pauses.push(standing.notBeforeMs - nowMs);
  }
  expect(pauses.slice(0, 4)).toEqual([250, 500, 1_000, 2_000]);
  expect(pauses.at(-1)).toBe(60_000);
});

test("counts failures of requests that ran side by side as one", () => {
  const one = standingAfter(GOOD_STANDING, failed, { askedAtMs: 10, nowMs: 100 });
  expect(standingAfter(one, failed, { askedAtMs: 20, nowMs: 110 })).toBe(one);
  expect(standingAfter(one, failed, { askedAtMs: 500, nowMs: 510 }).failures).toBe(2);
});

test("leaves a gateway alone for ten minutes that sends something else, whatever else it answers meanwhile", () => {
  const misled: GatewayFault = { kind: "misled", words: "sends bytes that are not the block" };
  const standing = standingAfter(GOOD_STANDING, misled, { askedAtMs: 0, nowMs: 5_000 });
  expect(standing).toMatchObject<Partial<GatewayStanding>>({ notBeforeMs: 605_000, words: misled.words });
  expect(standingAfter(standing, absent, { askedAtMs: 4_000, nowMs: 6_000 })).toBe(standing);
  expect(standingAfter(standing, failed, { askedAtMs: 4_000, nowMs: 6_000 })).toBe(standing);
});

test("takes a gateway that has not got a block for a good one", () => {
  const standing = standingAfter(GOOD_STANDING, failed, { askedAtMs: 0, nowMs: 100 });
  expect(standingAfter(standing, absent, { askedAtMs: 400, nowMs: 500 })).toBe(GOOD_STANDING);
});

test.each([
  ["30", 30_000],
  ["Thu, 01 Jan 1970 00:02:00 GMT", 60_000],
  ["Thu, 01 Jan 1970 00:00:01 GMT", 0],
  ["soon", undefined],
  [undefined, undefined],
] as const)("reads Retry-After %s as %s ms", (header, ms) => {
  expect(parseRetryAfter(header, 60_000)).toBe(ms);
});

test("bounds the patience that a gateway may ask for", () => {
  const busy: GatewayFault = { kind: "busy", words: "asks for patience (429)", retryAfterMs: 86_400_000 };
  expect(standingAfter(GOOD_STANDING, busy, { askedAtMs: 0, nowMs: 0 }).notBeforeMs).toBe(300_000);
});
