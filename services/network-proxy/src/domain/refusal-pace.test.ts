import { expect, test } from "vitest";
import { RefusalPace } from "./refusal-pace.ts";

function book(pace: RefusalPace, count: number, nowMs: number): (number | undefined)[] {
  return Array.from({ length: count }, () => pace.book(nowMs));
}

test("refuses 2,000 at once, then 100 a second", () => {
  const pace = new RefusalPace();
  expect(new Set(book(pace, 2_000, 0))).toEqual(new Set([0]));
  expect(book(pace, 3, 0)).toEqual([10, 20, 30]);
  expect(book(pace, 1, 1_030)).toEqual([0]);
  expect(new Set(book(pace, 99, 1_030))).toEqual(new Set([0]));
  expect(book(pace, 1, 1_030)).toEqual([10]);
});

test("has its whole burst again after a pause, and no more than that", () => {
  const pace = new RefusalPace();
  book(pace, 2_100, 0);
  expect(book(pace, 2_001, 1_000_000).slice(-2)).toEqual([0, 10]);
});

test("books nothing for those that would wait for more than 5 s", () => {
  const pace = new RefusalPace();
  const answers = book(pace, 100_000, 0);
  expect(answers.filter((delayMs) => delayMs !== undefined)).toHaveLength(2_500);
  expect(answers.at(-1)).toBeUndefined();
  expect(pace.book(10)).toBe(5_000);
});
