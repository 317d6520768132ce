import { expect, test } from "vitest";
import { aNode } from "../../../../test/kit/scheduler-records.ts";
import { firstRefusal, fitsWhenIdle, isEligible } from "./filter-nodes.ts";
import type { Demand } from "./filter-nodes.ts";

const DEMAND: Demand = {
  constraints: [{ key: "region", operator: "in", values: ["eu-1", "eu-2"] }],
  engine: "wasm",
  networkMode: "none",
  resources: { cpuMillis: 2_000, memoryBytes: 2 ** 30, diskBytes: 2 ** 30 },
};
const NODE = aNode({ labels: { region: "eu-1" } });
const TINY = { cpuMillis: 1_000, memoryBytes: 2 ** 29, diskBytes: 2 ** 36 };

test.each([
  [{}, NODE.capacity, undefined],
  [{ connection: "lost" as const, isDraining: true }, NODE.capacity, "NODE_NOT_CONNECTED: node node-1 does not answer"],
  [{ membership: "pending" as const, isDraining: true }, NODE.capacity, "NODE_NOT_APPROVED: node node-1 is pending"],
  [{ isDraining: true, labels: {} }, NODE.capacity, "NODE_DRAINING: node node-1 is draining"],
  [{ labels: { region: "us-1" }, engines: [] }, NODE.capacity, 'CONSTRAINT_UNMET: wants region in (eu-1, eu-2), the label is "us-1"'],
  [{ labels: {} }, NODE.capacity, "CONSTRAINT_UNMET: wants region in (eu-1, eu-2), the label is absent"],
  [{ engines: [], capacity: TINY }, NODE.capacity, "ENGINE_MISSING: no wasm engine"],
  [
    { engines: [{ name: "wasm" as const, version: "", isAvailable: false, message: "no socket" }] },
    NODE.capacity,
    "ENGINE_UNAVAILABLE: the wasm engine does not answer: no socket",
  ],
  [{ capacity: TINY }, TINY, "CAPACITY_TOO_SMALL: wants 2 cores, 1 in all; wants 1 GiB of memory, 512 MiB in all"],
  [{}, { ...NODE.capacity, cpuMillis: 500 }, "CAPACITY_BUSY: wants 2 cores, 0.5 free"],
])("the first refusal is kept: %j with %j free gives %s", (changes, free, expected) => {
  const refusal = firstRefusal(DEMAND, { node: { ...NODE, ...changes }, free });
  expect(refusal && `${refusal.reason}: ${refusal.message}`).toBe(expected);
});

test("a mode that the node's proxy does not offer is refused, whatever the load; no network is never", () => {
  const snapshot = { node: NODE, free: NODE.capacity };
  const http = { ...DEMAND, networkMode: "http" as const };
  expect(firstRefusal(http, snapshot)).toEqual({
    reason: "NETWORK_MODE_NOT_OFFERED",
    message: "wants network http, the node offers none",
  });
  expect(isEligible(http, NODE)).toBe(false);
  expect(fitsWhenIdle(http, NODE)).toBe(false);
  const offering = { ...NODE, network: { ...NODE.network, modes: ["none" as const, "http" as const] } };
  expect(firstRefusal(http, { ...snapshot, node: offering })).toBeUndefined();
  expect(isEligible(http, offering)).toBe(true);
  expect(isEligible(DEMAND, { ...NODE, network: { ...NODE.network, modes: [] } })).toBe(true);
});

test("a node that is lost, draining or busy could take it once it is idle; one that is too small could not", () => {
  expect(fitsWhenIdle(DEMAND, { ...NODE, connection: "lost", isDraining: true })).toBe(true);
  expect(fitsWhenIdle(DEMAND, { ...NODE, capacity: TINY })).toBe(false);
  expect(fitsWhenIdle(DEMAND, { ...NODE, membership: "rejected" })).toBe(false);
});
