import { expect, test } from "vitest";
import { StartsGate } from "./starts-gate.ts";

const signal = AbortSignal.timeout(60_000);

test("lets so many in, and the next when one leaves, in the order they came", async () => {
  const gate = new StartsGate(2);
  const entered: number[] = [];
  const enter = async (number: number): Promise<Disposable> => {
    const place = await gate.enter(signal);
    entered.push(number);
    return place;
  };
  const [first] = [await enter(1), await enter(2)];
  const waiting = [enter(3), enter(4)];
  await Promise.resolve();
  expect(entered).toEqual([1, 2]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  const third = await waiting[0];
  expect(entered).toEqual([1, 2, 3]);
  third?.[Symbol.dispose]();
  await waiting[1];
  expect(entered).toEqual([1, 2, 3, 4]);
});

test("whoever gives up does not keep a place", async () => {
  const gate = new StartsGate(1);
  const first = await gate.enter(signal);
  const leaving = new AbortController();
  const second = gate.enter(leaving.signal);
  const third = gate.enter(signal);
  leaving.abort(new Error("left"));
  await expect(second).rejects.toThrow("left");
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
});
