import type { ExecutionId } from "@skrei/domain";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Capacity } from "./capacity.ts";

const total = { cpuMillis: 1_000, memoryBytes: 1_000, diskBytes: 1_000 };
const need = { cpuMillis: 300, memoryBytes: 100, diskBytes: 100 };
const id = (name: string): ExecutionId => name as ExecutionId;

test("reserves for as many partitions as fit", () => {
  const capacity = new Capacity(total);
  expect(capacity.reserve("a-1", { need, partitions: 5, expiresAtMs: 10 }, 0)).toBe(3);
  expect(capacity.reserve("a-2", { need, partitions: 1, expiresAtMs: 10 }, 0)).toBe(0);
});

test("a repeated ask replaces its reservation", () => {
  const capacity = new Capacity(total);
  capacity.reserve("a-1", { need, partitions: 3, expiresAtMs: 10 }, 0);
  expect(capacity.reserve("a-1", { need, partitions: 3, expiresAtMs: 10 }, 0)).toBe(3);
});

test("a reservation is gone when its time is over, or when its ask is released", () => {
  const capacity = new Capacity(total);
  capacity.reserve("a-1", { need, partitions: 1, expiresAtMs: 10 }, 0);
  capacity.reserve("a-2", { need, partitions: 1, expiresAtMs: 99 }, 0);
  expect(capacity.free(9).cpuMillis).toBe(400);
  expect(capacity.free(10).cpuMillis).toBe(700);
  capacity.release("a-2");
  expect(capacity.free(10).cpuMillis).toBe(1_000);
});

test("an allocation takes one partition of its reservation", () => {
  const capacity = new Capacity(total);
  capacity.reserve("a-1", { need, partitions: 2, expiresAtMs: 10 }, 0);
  expect(capacity.allocate(id("e-1"), { need, askId: "a-1" }, 5)).toBe(true);
  expect(capacity.free(5).cpuMillis).toBe(400);
  capacity.release("a-1");
  expect(capacity.free(5).cpuMillis).toBe(700);
});

test("an allocation whose reservation has expired needs free room", () => {
  const capacity = new Capacity(total);
  capacity.reserve("a-1", { need, partitions: 1, expiresAtMs: 10 }, 0);
  capacity.reserve("a-2", { need, partitions: 3, expiresAtMs: 99 }, 10);
  expect(capacity.allocate(id("e-1"), { need, askId: "a-1" }, 10)).toBe(false);
});

test("whatever is asked, allocated and released, never more than the node has", () => {
  const step = fc.record({
    verb: fc.constantFrom("reserve", "allocate", "release", "deallocate"),
    name: fc.constantFrom("1", "2", "3"),
    cpuMillis: fc.integer({ min: 0, max: 700 }),
    partitions: fc.integer({ min: 1, max: 4 }),
    nowMs: fc.integer({ min: 0, max: 50 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const capacity = new Capacity(total);
      let nowMs = 0;
      for (const { verb, name, cpuMillis, partitions, nowMs: passed } of steps) {
        nowMs += passed;
        const wanted = { cpuMillis, memoryBytes: 10, diskBytes: 0 };
        if (verb === "reserve") capacity.reserve(`a-${name}`, { need: wanted, partitions, expiresAtMs: nowMs + 60 }, nowMs);
        if (verb === "release") capacity.release(`a-${name}`);
        if (verb === "allocate") capacity.allocate(id(`e-${name}`), { need: wanted, askId: `a-${name}` }, nowMs);
        if (verb === "deallocate") capacity.deallocate(id(`e-${name}`));
        expect(capacity.free(nowMs).cpuMillis).toBeGreaterThanOrEqual(0);
        expect(capacity.free(nowMs).memoryBytes).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});
