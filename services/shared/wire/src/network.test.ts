import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { EgressExplanation, Network, NetworkUse, NodeNetwork } from "@skrei/domain";
import { NO_NETWORK, NO_NODE_NETWORK } from "@skrei/domain";
import { NetworkUseSchema } from "@skrei/proto/skrei/execution/v1/network_use_pb.ts";
import { NetworkSchema, Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { ExplanationSchema } from "@skrei/proto/skrei/network/v1/explanation_pb.ts";
import { NodeNetworkSchema } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { expect, test } from "vitest";
import {
  explanationFromProto,
  explanationToProto,
  networkFromProto,
  networkToProto,
  networkUseFromProto,
  networkUseToProto,
  nodeNetworkFromProto,
  nodeNetworkToProto,
} from "./network.ts";

test.each<Network>([
  NO_NETWORK,
  { mode: "http", domains: ["example.com", ".pypi.org"], egressBytesMax: 2 ** 40 },
  { mode: "full", domains: [], egressBytesMax: 0 },
])("a network of mode $mode comes back as it was", (network) => {
  expect(networkFromProto(fromBinary(NetworkSchema, toBinary(NetworkSchema, networkToProto(network))))).toEqual(network);
});

test("a network without a mode, or none at all, is none; one of a newer peer is unknown", () => {
  expect(networkFromProto(undefined)).toEqual(NO_NETWORK);
  expect(networkFromProto({ ...networkToProto(NO_NETWORK), mode: Network_Mode.UNSPECIFIED })).toEqual(NO_NETWORK);
  expect(networkFromProto({ ...networkToProto(NO_NETWORK), mode: 9 as Network_Mode })).toBeUndefined();
});

test("what a node offers comes back as it was, without the modes of a newer peer", () => {
  const limits = { ports: [80, 443], rateBitsPerSecond: 10_000_000, egressBytesMax: 2 ** 40, connectionsMax: 256 };
  const network: NodeNetwork = { modes: ["none", "full"], domains: ["*"], domainCount: 1, policyDigest: "9f", problem: "bad", ...limits };
  const pb = fromBinary(NodeNetworkSchema, toBinary(NodeNetworkSchema, nodeNetworkToProto(network)));
  expect(nodeNetworkFromProto(pb)).toEqual(network);
  expect(nodeNetworkFromProto({ ...pb, modes: [Network_Mode.NONE, 9 as Network_Mode] }).modes).toEqual(["none"]);
  expect(nodeNetworkFromProto(undefined)).toEqual(NO_NODE_NETWORK);
  const { ports: _, rateBitsPerSecond: __, egressBytesMax: ___, connectionsMax: ____, ...earlier } = network;
  expect(nodeNetworkFromProto(nodeNetworkToProto(earlier))).toEqual({ ...NO_NODE_NETWORK, ...earlier });
});

test("network use comes back as it was, terabytes included", () => {
  const counts = { requests: 3, denied: 2, sentBytes: 2 ** 41, receivedBytes: 2 ** 42 };
  const use: NetworkUse = {
    hosts: [
      { host: "example.com", ...counts, rule: ".example.com", reason: "", message: "" },
      { host: "evil.test", ...counts, rule: "", reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message: "evil.test is not on this job's list." },
      {
        host: "down.test",
        ...counts,
        rule: "down.test",
        reason: "EGRESS_ORIGIN_TIMEOUT",
        message: "down.test did not accept the connection in time.",
        failed: 2,
        denialReasons: ["EGRESS_PORT_DENIED", "EGRESS_TLS_REQUIRED"],
      },
    ],
    ...counts,
  };
  expect(networkUseFromProto(fromBinary(NetworkUseSchema, toBinary(NetworkUseSchema, networkUseToProto(use))))).toEqual(use);
});

test("an explanation comes back as it was", () => {
  const explanation: EgressExplanation = {
    isAllowed: false,
    reason: "EGRESS_ADDRESS_DENIED",
    message: "rebind.test leads to 10.0.0.1.",
    hint: "Tasks reach public addresses.",
    host: "rebind.test",
    port: 443,
    jobRule: "rebind.test",
    nodeRule: "*",
    addresses: [
      { address: "10.0.0.1", addressClass: "private", isAllowed: false },
      { address: "8.8.8.8", addressClass: "public", isAllowed: true },
    ],
  };
  const pb = fromBinary(ExplanationSchema, toBinary(ExplanationSchema, explanationToProto(explanation)));
  expect(explanationFromProto(pb)).toEqual(explanation);
});
