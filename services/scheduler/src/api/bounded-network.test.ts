import { NO_NODE_NETWORK } from "@skrei/domain";
import { expect, test } from "vitest";
import { aUse } from "../../../../test/kit/scheduler-records.ts";
import { boundedNodeNetwork, boundedUse } from "./bounded-network.ts";

test("what is within bounds stays as it is", () => {
  const limits = { ports: [80, 443], rateBitsPerSecond: 10_000_000, egressBytesMax: 2 ** 40, connectionsMax: 256 };
  const network = {
    modes: ["none", "http"] as const,
    domains: [".example.com"],
    domainCount: 1,
    policyDigest: "d",
    problem: "p",
    ...limits,
  };
  expect(boundedNodeNetwork(network)).toEqual(network);
  const use = aUse(
    { host: "a.example", denied: 1, reason: "EGRESS_PORT_DENIED", message: "no", rule: "a.example" },
    { host: "b.example", requests: 1, failed: 1, denied: 1, reason: "EGRESS_ORIGIN_TIMEOUT", denialReasons: ["EGRESS_PORT_DENIED"] },
  );
  expect(boundedUse(use)).toEqual(use);
});

test("a node that tells too much of its network is cut short, not refused", () => {
  const long = "x".repeat(100_000);
  const cut = boundedNodeNetwork({
    modes: ["http", "http", "none"],
    domains: Array.from({ length: 1_000 }, () => long),
    domainCount: -1,
    policyDigest: long,
    problem: long,
    ports: Array.from({ length: 1_000 }, () => 70_000).with(1, 443),
    rateBitsPerSecond: -1,
    egressBytesMax: 2 ** 60,
    connectionsMax: -1,
  });
  expect(cut).toMatchObject({ modes: ["http", "none"], domainCount: 0, ports: [443] });
  expect(cut).toMatchObject({ rateBitsPerSecond: 0, egressBytesMax: Number.MAX_SAFE_INTEGER, connectionsMax: 0 });
  expect(cut.domains).toHaveLength(32);
  expect(JSON.stringify(cut).length).toBeLessThan(10_000);
  expect(boundedNodeNetwork(NO_NODE_NETWORK)).toEqual(NO_NODE_NETWORK);
});

test("a count has 64 hosts, once each, short words, known letters in its reasons and no number out of range", () => {
  const long = "x".repeat(100_000);
  const hosts = Array.from({ length: 1_000 }, (_, i) => ({
    host: `h${i}`,
    message: long,
    rule: long,
    reason: "<b>",
    denied: -3,
    requests: 2 ** 60,
    failed: 2 ** 60,
    denialReasons: Array.from({ length: 1_000 }, (_, index) => "ABCDEFGHIJKLMNOP"[index % 16] ?? ""),
  }));
  const use = boundedUse(aUse({ host: "h0" }, ...hosts));
  expect(use.hosts.length).toBe(63);
  expect(use.hosts[0]).toMatchObject({ host: "h0", reason: "", denied: 0, requests: Number.MAX_SAFE_INTEGER });
  expect(use.hosts[0]).toMatchObject({ failed: Number.MAX_SAFE_INTEGER, denialReasons: "ABCDEFGH".split("") });
  expect(boundedUse(aUse({ host: "a", denialReasons: ["<b>", "A", "A"] })).hosts[0]?.denialReasons).toEqual(["A"]);
  expect(use.requests).toBe(Number.MAX_SAFE_INTEGER);
  expect(JSON.stringify(use).length).toBeLessThan(64 * 1_200);
});
