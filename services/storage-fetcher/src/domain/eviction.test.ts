import fc from "fast-check";
import { expect, test } from "vitest";
import { diskBytes, planEviction } from "./eviction.ts";

test("removes what was not used for longest, and no more than is needed", () => {
  const entries = [entry("new", 30), entry("old", 10), entry("middle", 20)];
  expect(planEviction(entries, 15)).toEqual({ keys: ["old", "middle"], missingBytes: 0 });
  expect(planEviction(entries, 0)).toEqual({ keys: [], missingBytes: 0 });
});

test("removes nothing when it would not be enough, and says what is missing", () => {
  const entries = [entry("old", 10), { ...entry("leased", 5), isLeased: true }];
  expect(planEviction(entries, 25)).toEqual({ keys: [], missingBytes: 15 });
});

test("never removes a leased entry and always frees enough", () => {
  const anyEntry = fc.record({ key: fc.uuid(), sizeBytes: fc.nat(1_000), isLeased: fc.boolean(), usedAtMs: fc.nat() });
  fc.assert(
    fc.property(fc.uniqueArray(anyEntry, { selector: ({ key }) => key }), fc.nat(5_000), (entries, bytes) => {
      const { keys, missingBytes } = planEviction(entries, bytes);
      const removed = entries.filter(({ key }) => keys.includes(key));
      expect(removed.some(({ isLeased }) => isLeased)).toBe(false);
      if (missingBytes === 0) expect(removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBeGreaterThanOrEqual(bytes);
    }),
  );
});

test("what two entries share is free when both are gone", () => {
  const base = entry("base", 1);
  const part = { ...entry("part", 2), sizeBytes: 7, shared: { key: "base", sizeBytes: 6 } };
  expect(diskBytes([base, part])).toBe(11);
  expect(diskBytes([part])).toBe(7);
  expect(planEviction([base, part], 4)).toEqual({ keys: ["base"], missingBytes: 0 });
  expect(planEviction([base, part], 5)).toEqual({ keys: ["base", "part"], missingBytes: 0 });
  expect(planEviction([base, { ...part, isLeased: true }], 5)).toEqual({ keys: [], missingBytes: 1 });
  expect(planEviction([{ ...base, isLeased: true }, part], 2)).toEqual({ keys: [], missingBytes: 1 });
});

test("what a plan says is freed is freed, however entries share", () => {
  const anyEntry = fc.record({ sizeBytes: fc.nat(1_000), isLeased: fc.boolean(), usedAtMs: fc.nat(), base: fc.option(fc.nat(9)) });
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 10 }), fc.nat(3_000), (drawn, bytes) => {
      const bases = drawn.map(({ base, ...more }, at) => ({ ...more, key: `k${at}`, base: base !== null && base < at ? base : undefined }));
      // A part is of an entry that is no part itself, and its bytes are no other part's.
      const taken = new Set<number>();
      const entries = bases.map(({ base, ...own }) => {
        const shared = base === undefined || taken.has(base) || bases[base]?.base !== undefined ? undefined : bases[base];
        if (shared === undefined || base === undefined) return own;
        taken.add(base);
        return { ...own, shared: { key: shared.key, sizeBytes: Math.min(own.sizeBytes, shared.sizeBytes) } };
      });
      const { keys, missingBytes } = planEviction(entries, bytes);
      const freed = diskBytes(entries) - diskBytes(entries.filter(({ key }) => !keys.includes(key)));
      if (missingBytes === 0) expect(freed).toBeGreaterThanOrEqual(bytes);
    }),
  );
});

function entry(key: string, usedAtMs: number): Parameters<typeof planEviction>[0][number] {
  return { key, usedAtMs, sizeBytes: 10, isLeased: false };
}
