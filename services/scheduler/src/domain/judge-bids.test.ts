import type { NodeId } from "@skrei/domain";
import fc from "fast-check";
import { expect, test } from "vitest";
import { judgeBids } from "./judge-bids.ts";
import type { Offer } from "./judge-bids.ts";

function anOffer(name: string, overrides: Partial<Offer> = {}): Offer {
  return {
    askId: name,
    nodeId: name as NodeId,
    slot: 0,
    partitions: 4,
    missingBytes: 0,
    isImageMissing: false,
    queuedExecutions: 0,
    freeShare: 0.5,
    ...overrides,
  };
}

function waiting(count: number, avoided: string[] = []): { partition: number; avoidedNodeIds: NodeId[] }[] {
  return Array.from({ length: count }, (_, partition) => ({ partition, avoidedNodeIds: avoided as NodeId[] }));
}

function takers(partitions: number, offers: Offer[], avoided: string[] = []): string[] {
  return judgeBids(waiting(partitions, avoided), offers).placements.map(({ offer }) => offer.askId);
}

test.for([
  { title: "an idle node", cold: { freeShare: 1 }, warm: { freeShare: 0.01 } },
  { title: "a node where nothing queues", cold: { queuedExecutions: 0 }, warm: { queuedExecutions: 5 } },
])("a partition goes to the node that has its GiB rather than to $title", ({ cold, warm }) => {
  expect(takers(1, [anOffer("cold", { missingBytes: 2 ** 30, ...cold }), anOffer("warm", { isImageMissing: false, ...warm })])).toEqual([
    "warm",
  ]);
});

test("nobody waits behind twenty others for a GiB that is fetched in ten seconds", () => {
  expect(takers(1, [anOffer("cold", { missingBytes: 2 ** 30 }), anOffer("warm", { queuedExecutions: 20 })])).toEqual(["cold"]);
});

test("data that is there already wins over an emptier node", () => {
  expect(takers(1, [anOffer("cold", { missingBytes: 1e9, freeShare: 1 }), anOffer("warm", { freeShare: 0.1 })])).toEqual(["warm"]);
});

test("equal nodes share the partitions", () => {
  expect(takers(4, [anOffer("a"), anOffer("b")]).toSorted()).toEqual(["a", "a", "b", "b"]);
});

test("a node where it failed before comes last, but comes", () => {
  expect(takers(1, [anOffer("failed"), anOffer("busy", { queuedExecutions: 9 })], ["failed"])).toEqual(["busy"]);
  expect(takers(1, [anOffer("failed")], ["failed"])).toEqual(["failed"]);
});

test("no offer is overdrawn, each partition gets at most one, and none waits while an offer has room", () => {
  const offers = fc.array(
    fc.record({
      partitions: fc.integer({ min: 1, max: 5 }),
      missingBytes: fc.nat(1e9),
      freeShare: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(fc.nat(30), offers, (partitions, drawn) => {
      const all = drawn.map((offer, i) => anOffer(String(i), offer));
      const { placements, takenByAsk } = judgeBids(waiting(partitions), all);
      for (const offer of all) expect(takenByAsk.get(offer.askId) ?? 0).toBeLessThanOrEqual(offer.partitions);
      expect(new Set(placements.map(({ partition }) => partition)).size).toBe(placements.length);
      expect(placements).toHaveLength(
        Math.min(
          partitions,
          all.reduce((sum, offer) => sum + offer.partitions, 0),
        ),
      );
    }),
  );
});
