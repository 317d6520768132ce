import { DomainError, type Task } from "@skrei/domain";
import { expect, test } from "vitest";
import { refusalAfter, refusalOf, shortfallOf } from "./bid.ts";

const resources = { cpuMillis: 2_000, memoryBytes: 1_024, diskBytes: 1_024 };
const task = { engine: { name: "docker" }, network: { mode: "none" }, resources } as Task;
const engine = { name: "docker", version: "28", isAvailable: true, message: "" } as const;
const node = { engines: [engine], networkModes: ["none"], total: { cpuMillis: 4_000, memoryBytes: 4_096, diskBytes: 4_096 } } as const;

test("takes what it can run", () => {
  expect(refusalOf(task, node)).toBeUndefined();
  expect(shortfallOf(task, { wanted: 2, fitting: 2, free: node.total })).toBeUndefined();
});

test.each([
  [{ ...node, engines: [] }, "ENGINE_MISSING", "no docker engine"],
  [{ ...node, engines: [{ ...engine, isAvailable: false, message: "no socket" }] }, "ENGINE_UNAVAILABLE", "no socket"],
  [{ ...node, networkModes: ["http", "full"] }, "NETWORK_MODE_NOT_OFFERED", "offers network http, full, the task asks for none"],
  [{ ...node, total: { ...node.total, cpuMillis: 500 } }, "CAPACITY_TOO_SMALL", "needs 2,000 millicpu, the node has 500 in all"],
] as const)("refuses %o with %s", (offer, reason, words) => {
  const refusal = refusalOf(task, offer);
  expect(refusal?.reason).toBe(reason);
  expect(refusal?.message).toContain(words);
});

test("refuses a networked task while the proxy has not answered, and only such a one", () => {
  const unknown = { ...node, networkModes: [] };
  expect(refusalOf(task, unknown)).toBeUndefined();
  expect(refusalOf({ ...task, network: { mode: "http", domains: ["example.com"], egressBytesMax: 0 } }, unknown)).toMatchObject({
    reason: "DOOR_FAILED",
    message: expect.stringContaining("has not answered"),
  });
});

test("a refusal of another service keeps what to do about it, since a bid has one text", () => {
  const error = new DomainError("forbidden", "SOURCE_NOT_ALLOWED", "The path /x is not allowed.", { hint: "List it." });
  expect(refusalAfter(error)).toEqual({ reason: "SOURCE_NOT_ALLOWED", message: "The path /x is not allowed. List it." });
  expect(refusalAfter(new DomainError("forbidden", "SOURCE_NOT_ALLOWED", "No."))).toMatchObject({ message: "No." });
});

test("says in numbers what is short for the rest", () => {
  const free = { cpuMillis: 3_000, memoryBytes: 4_096, diskBytes: 4_096 };
  expect(shortfallOf(task, { wanted: 2, fitting: 1, free })).toEqual({
    reason: "CAPACITY_BUSY",
    message:
      "1 of 2 partitions fit: a partition needs 2,000 millicpu, 1,024 bytes of memory, 1,024 bytes of disk; the node has 3,000 millicpu, 4,096 bytes of memory, 4,096 bytes of disk free",
  });
  expect(shortfallOf(task, { wanted: 2, fitting: 0, free: { ...free, cpuMillis: 100 } })?.message).toBe(
    "a partition needs 2,000 millicpu, the node has 100 free",
  );
});
