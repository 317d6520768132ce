import { expect, test } from "vitest";
import { Deadlines } from "./deadlines.ts";

test("what is due comes in order of time, cancelled ones never", () => {
  const deadlines = new Deadlines();
  const nothing = (): void => undefined;
  const [late, , early] = [deadlines.add(30, nothing), deadlines.add(20, nothing), deadlines.add(10, nothing)];
  deadlines.cancel(early);
  deadlines.cancel(early);
  expect(deadlines.size).toBe(2);
  expect(deadlines.takeDue(25)?.atMs).toBe(20);
  expect(deadlines.takeDue(25)).toBeUndefined();
  expect(deadlines.isNext(late)).toBe(true);
  expect(deadlines.takeDue(30)).toBe(late);
  deadlines.cancel(late);
  expect(deadlines.size).toBe(0);
});

test("cancelled deadlines do not pile up", () => {
  const deadlines = new Deadlines();
  const kept = deadlines.add(1, () => undefined);
  for (let i = 0; i < 100_000; i++) deadlines.cancel(deadlines.add(1_000_000 + i, () => undefined));
  expect(deadlines.size).toBe(1);
  expect(deadlines.takeDue(1)).toBe(kept);
});
