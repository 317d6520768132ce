import { create } from "@bufbuild/protobuf";
import { ExecutionSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { HostUseSchema, NetworkUseSchema } from "@skrei/proto/skrei/execution/v1/network_use_pb.ts";
import type { NetworkUse } from "@skrei/proto/skrei/execution/v1/network_use_pb.ts";
import { Network_Mode, NetworkSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { NodeNetworkSchema } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { expect, test } from "vitest";
import { createTestTerminal } from "../test-terminal.ts";
import { describeCounts, hostRows } from "./host-rows.ts";
import { describeLimits, describeNetwork, describeOffer, describePorts } from "./network-words.ts";
import { networkProblems } from "./network-problems.ts";
import { renderUse } from "./render-use.ts";
import { renderWaiting } from "./waiting-jobs.ts";

const allowed = create(HostUseSchema, {
  host: "api.example.com",
  requests: 3n,
  sentBytes: 1_500n,
  receivedBytes: 2_000_000n,
  rule: ".example.com",
});
const refused = (host: string, denied: bigint, message = `${host} is not on the job's list.`): typeof allowed =>
  create(HostUseSchema, { host, denied, reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message });
const failing = (requests: bigint, denied = 0n): typeof allowed =>
  create(HostUseSchema, {
    host: "down.org",
    requests,
    denied,
    reason: "EGRESS_ORIGIN_UNREACHABLE",
    message: "down.org broke the connection.",
  });

function useOf(
  hosts: readonly (typeof allowed)[],
  beyond: { requests: bigint; denied: bigint } = { requests: 0n, denied: 0n },
): NetworkUse {
  const sum = (key: "requests" | "denied" | "sentBytes" | "receivedBytes"): bigint => hosts.reduce((total, host) => total + host[key], 0n);
  return create(NetworkUseSchema, {
    hosts: [...hosts],
    requests: sum("requests") + beyond.requests,
    denied: sum("denied") + beyond.denied,
    sentBytes: sum("sentBytes"),
    receivedBytes: sum("receivedBytes"),
  });
}

const execution = (executionId: string, networkUse: NetworkUse, jobVersion = 1): Execution =>
  create(ExecutionSchema, { executionId, networkUse, jobVersion });

const { stdout } = createTestTerminal();

test("gives the hosts beyond the listed ones a row of their own, so that rows add up to the total", () => {
  expect(hostRows(useOf([allowed]))).toHaveLength(1);
  const rows = hostRows(useOf([allowed], { requests: 2n, denied: 5n }));
  expect(rows[1]).toMatchObject({ host: "(further hosts)", requests: 2, denied: 5, message: "" });
  expect(hostRows(undefined)).toEqual([]);
});

test("shows hosts with bytes and refusals, and whose they are only when executions are several", () => {
  const [first, second] = [execution("e-1", useOf([allowed, refused("ads.example.org", 9n)])), execution("e-2", useOf([allowed]))];
  expect(renderUse([first], stdout)).toEqual([
    "",
    "Network: 3 allowed, 9 denied, 1.5kB sent, 2MB received",
    "HOST             ALLOWED  DENIED   SENT  RECEIVED  LAST PROBLEM",
    "api.example.com        3       0  1.5kB       2MB",
    "ads.example.org        0       9     0B        0B  EGRESS_HOST_NOT_ON_JOB_LIST: ads.example.org is not on the job's list.",
  ]);
  expect(renderUse([first, second], stdout)[4]).toMatch(/^e-1 +ads\.example\.org/u);
  expect(renderUse([execution("e-3", useOf([]))], stdout)).toEqual([]);
});

test("names the refused hosts of the job's present version, the most asked for first, and what to type", () => {
  const job = { jobId: "j-1", version: 2 };
  const executions = [
    execution("e-1", useOf([refused("old.example.org", 50n)]), 1),
    execution("e-2", useOf([allowed, refused("a.example.org", 1n), refused("b.example.org", 2n)]), 2),
    execution("e-3", useOf([refused("a.example.org", 4n), refused("c.example.org", 1n), refused("d.example.org", 1n)]), 2),
  ];
  expect(networkProblems(job, executions)).toEqual({
    lines: [
      "5 requests to a.example.org: a.example.org is not on the job's list",
      "2 requests to b.example.org: b.example.org is not on the job's list",
      "1 request to c.example.org: c.example.org is not on the job's list",
      "and 1 host more",
    ],
    command: "skrei net explain a.example.org --job j-1",
    summary: "9 of 12 requests were refused",
  });
  expect(networkProblems(job, [execution("e-4", useOf([allowed]), 2)])).toBeUndefined();
});

test.for([
  ["EGRESS_PORT_DENIED", "Port 8080 of a.org is none that this node allows (80, 443).", "net explain http://a.org:8080 --job j-1"],
  ["EGRESS_HOST_NOT_ON_NODE_LIST", "The node's list does not have a.org.", "net explain a.org --job j-1"],
  ["EGRESS_TLS_REQUIRED", "The tunnel to a.org does not begin with a TLS handshake.", "net list j-1"],
  ["EGRESS_QUOTA_EXCEEDED", "The execution has sent 9 bytes and may send 8 in all.", "net list j-1"],
] as const)("names what shows a refusal by %s again, and never what would answer allowed", ([reason, message, command]) => {
  const host = create(HostUseSchema, { host: "a.org", denied: 1n, reason, message });
  expect(networkProblems({ jobId: "j-1", version: 1 }, [execution("e-1", useOf([host]))])?.command).toBe(`skrei ${command}`);
});

test("tells of hosts that were allowed and failed, after those that were refused", () => {
  const job = { jobId: "j-1", version: 1 };
  expect(networkProblems(job, [execution("e-1", useOf([failing(2n)]))])).toEqual({
    lines: ["down.org broke the connection"],
    command: "skrei net list j-1",
    summary: undefined,
  });
  const both = networkProblems(job, [execution("e-1", useOf([failing(2n), refused("a.org", 1n)]))]);
  expect(both?.lines).toEqual(["1 request to a.org: a.org is not on the job's list", "down.org broke the connection"]);
  expect(networkProblems(job, [execution("e-1", useOf([failing(1n, 3n)]))])?.lines).toEqual([
    "3 requests to down.org; the last problem: down.org broke the connection",
  ]);
});

test("keeps what a hostile task asked for out of commands that people copy, and its escapes off the terminal", () => {
  const found = networkProblems({ jobId: "j-1", version: 1 }, [execution("e-1", useOf([refused("x; rm -rf ~\u001B[2J", 1n)]))]);
  expect(found?.command).toBe("skrei net list j-1");
  expect(found?.lines.join()).not.toContain("\u001B");
});

test("tells a network in a few words", () => {
  const domains = Array.from({ length: 10 }, (_, index) => `h${index}.example.com`);
  expect(describeNetwork(undefined)).toBe("none");
  expect(describeNetwork(create(NetworkSchema, { mode: Network_Mode.FULL }))).toBe("full: not counted");
  expect(describeNetwork(create(NetworkSchema, { mode: Network_Mode.FULL }), "wasm")).toBe("full");
  expect(describeNetwork(create(NetworkSchema, { mode: Network_Mode.HTTP, domains, egressBytesMax: 10_000_000n }))).toMatch(
    /^http: h0\.example\.com, .*h7\.example\.com and 2 more; at most 10MB out$/u,
  );
  expect(describeNetwork(create(NetworkSchema, { mode: 77 as Network_Mode }))).toMatch(/does not know/u);
  expect(describeCounts({ requests: 1, denied: 0, sentBytes: 0, receivedBytes: 0 })).toBe("1 allowed, 0 denied, 0B sent, 0B received");
});

test("tells what a node offers", () => {
  const modes = [Network_Mode.NONE, Network_Mode.HTTP];
  expect(describeOffer(undefined)).toBe("none");
  expect(describeOffer(create(NodeNetworkSchema, { modes: [Network_Mode.NONE] }))).toBe("none");
  expect(describeOffer(create(NodeNetworkSchema, { modes }))).toBe("none, http (no host)");
  expect(describeOffer(create(NodeNetworkSchema, { modes, domains: ["a.org", ".b.org"], domainCount: 40 }))).toBe(
    "none, http (a.org, .b.org and 38 more)",
  );
});

test("shows what waits, with its list and why", () => {
  const reasons = [{ reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: "This node does not allow a.org.", nodes: 2 }];
  const spec = { name: "mine", task: { network: { mode: Network_Mode.HTTP, domains: ["a.org"] } } };
  expect(renderWaiting([create(JobSchema, { jobId: "j-1", spec, waiting: { reasons } })], stdout)).toEqual([
    "WAITING  NETWORK      WHY",
    "mine     http: a.org  2 × this node does not allow a.org",
  ]);
});

test("tells a node's ports and limits, and nothing of a node that does not tell them", () => {
  const modes = [Network_Mode.NONE, Network_Mode.HTTP];
  const network = create(NodeNetworkSchema, { modes, ports: [80, 443], rateBitsPerSecond: 10_000_000n, connectionsMax: 256 });
  expect(describePorts(network)).toBe("80, 443");
  expect(describeLimits(network)).toBe("10 Mbit/s each way, 256 connections, for one execution");
  expect(describeLimits({ ...network, rateBitsPerSecond: 0n, egressBytesMax: 5_000_000n })).toBe(
    "no rate, 256 connections, 5MB out, for one execution",
  );
  expect([describePorts(undefined), describeLimits(create(NodeNetworkSchema, { modes }))]).toEqual(["", ""]);
});
