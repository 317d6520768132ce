import type { NetworkUse } from "@skrei/domain";
import fc from "fast-check";
import { expect, test } from "vitest";
import { aUse } from "../../../../test/kit/scheduler-records.ts";
import { mergeUse } from "./merge-use.ts";

const DENIED = { reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message: "b.example is not on the list" };

test("a larger count replaces a smaller one, in whatever order they come", () => {
  const before = aUse({ host: "a.example", requests: 1, sentBytes: 10, rule: "a.example" });
  const after = aUse({ host: "a.example", requests: 2, sentBytes: 30, rule: ".example" }, { host: "b.example", denied: 1, ...DENIED });
  expect(mergeUse(undefined, before)).toBe(before);
  expect(mergeUse(before, undefined)).toBe(before);
  expect(mergeUse(before, after)).toEqual(after);
  expect(mergeUse(after, before)).toBe(after);
});

test("a proxy that a crash set back a little takes nothing away, and what it counts from then on is counted", () => {
  const before = aUse({ host: "a.example", requests: 10, sentBytes: 1_000 });
  const setBack = aUse({ host: "a.example", requests: 9, sentBytes: 5_000 }, { host: "b.example", denied: 1, ...DENIED });
  expect(mergeUse(before, setBack)).toEqual(
    aUse({ host: "a.example", requests: 10, sentBytes: 5_000 }, { host: "b.example", denied: 1, ...DENIED }),
  );
});

test("a total is no less than its parts, though they come from different reports", () => {
  const merged = mergeUse(aUse({ host: "a.example", denied: 5 }), aUse({ host: "a.example", denied: 4 }, { host: "b.example", denied: 1 }));
  expect(merged?.denied).toBe(6);
});

test("a failure of the origin is news without a larger count, and its words are the last ones", () => {
  const failure = { reason: "EGRESS_ORIGIN_TIMEOUT", message: "b.example did not answer" };
  const reasons = { denialReasons: ["EGRESS_HOST_NOT_ON_JOB_LIST"] };
  const before = aUse({ host: "b.example", requests: 1, denied: 1, ...DENIED, ...reasons });
  const after = aUse({ host: "b.example", requests: 1, denied: 1, failed: 1, ...failure, ...reasons });
  expect(mergeUse(before, after)).toEqual(after);
  expect(mergeUse(after, before)).toBe(after);
});

test("reasons that either count knows are kept, eight at most", () => {
  const host = { host: "b.example", denied: 3 };
  const before = aUse({ ...host, ...DENIED });
  const after = aUse({
    ...host,
    reason: "EGRESS_PORT_DENIED",
    message: "no",
    denialReasons: ["EGRESS_PORT_DENIED", "EGRESS_TLS_REQUIRED"],
  });
  const merged = mergeUse(before, after);
  expect(merged?.hosts[0]).toMatchObject({
    ...DENIED,
    denialReasons: ["EGRESS_HOST_NOT_ON_JOB_LIST", "EGRESS_PORT_DENIED", "EGRESS_TLS_REQUIRED"],
  });
  expect(mergeUse(merged, after)).toBe(merged);
  const many = aUse({ ...host, denialReasons: Array.from({ length: 9 }, (_, index) => `EGRESS_${"X".repeat(index + 1)}`) });
  expect(mergeUse(before, many)?.hosts[0]?.denialReasons).toHaveLength(8);
});

test("no more than 64 hosts are kept; the totals count all", () => {
  const names = (from: number): { host: string; requests: number }[] =>
    Array.from({ length: 64 }, (_, i) => ({ host: `h${from + i}.example`, requests: 1 }));
  const merged = mergeUse(aUse(...names(0)), { ...aUse(...names(1)), requests: 65 });
  expect(merged?.hosts.map(({ host }) => host)).toEqual(names(0).map(({ host }) => host));
  expect(merged?.requests).toBe(65);
});

const count = fc.nat({ max: 3 });
const use: fc.Arbitrary<NetworkUse> = fc
  .uniqueArray(
    fc.record({ host: fc.constantFrom("a", "b", "c"), requests: count, denied: count, sentBytes: count, receivedBytes: count }),
    {
      selector: ({ host }) => host,
    },
  )
  .map((hosts) => aUse(...hosts));

test("counts never fall, and late or doubled reports end at the same", () => {
  fc.assert(
    fc.property(fc.array(use, { minLength: 1 }), fc.array(fc.nat()), (uses, picks) => {
      const late = picks.flatMap((pick) => uses[pick % uses.length] ?? []);
      const inOrder = uses.reduce<NetworkUse | undefined>(mergeUse, undefined);
      let merged: NetworkUse | undefined;
      for (const next of [...uses.toReversed(), ...late]) {
        const before = merged;
        merged = mergeUse(before, next);
        for (const key of ["requests", "denied", "sentBytes", "receivedBytes"] as const)
          expect(merged?.[key]).toBeGreaterThanOrEqual(Math.max(before?.[key] ?? 0, next[key]));
      }
      expect(sorted(merged)).toEqual(sorted(inOrder));
    }),
  );
});

function sorted(counted: NetworkUse | undefined): object {
  return { ...counted, hosts: counted?.hosts.toSorted((a, b) => (a.host < b.host ? -1 : 1)) };
}
