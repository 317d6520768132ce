import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("lets a few begin in each round of the event loop, in order, and others in between", async () => {
  const turns = new Turns();
  const begun: number[] = [];
  const counts: number[] = [];
  const all = Promise.all(Array.from({ length: 30 }, async (_, index) => (await turns.next(), begun.push(index))));
  for (let round = 0; round < 6; round++) {
    await new Promise((resolve) => void setImmediate(resolve));
    counts.push(begun.length);
  }
  await all;
  expect(begun).toEqual(Array.from({ length: 30 }, (_, index) => index));
  expect(counts.every((count, round) => count <= 8 * (round + 2))).toBe(true);
  expect(counts[0]).toBeLessThanOrEqual(16);
});

test("does not keep one waiting that comes alone", async () => {
  const turns = new Turns();
  expect(turns.next()).toBeUndefined();
  await new Promise((resolve) => void setImmediate(resolve));
  for (let count = 0; count < 8; count++) expect(turns.next()).toBeUndefined();
  const late = turns.next();
  expect(late).toBeInstanceOf(Promise);
  await late;
});
