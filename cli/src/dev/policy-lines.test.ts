import { create } from "@bufbuild/protobuf";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { NodeNetworkSchema } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import type { NodeNetwork } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { expect, test } from "vitest";
import { createPolicyLines } from "./policy-lines.ts";

const policy = (policyDigest: string, domains: string[], problem = ""): { network: NodeNetwork } => ({
  network: create(NodeNetworkSchema, {
    modes: [Network_Mode.NONE, Network_Mode.HTTP],
    domains,
    domainCount: domains.length,
    policyDigest,
    problem,
  }),
});

test("says a mistake and a good change once for all nodes that read the same file, and nothing at the start", () => {
  const { next } = createPolicyLines();
  const [first, broken, second] = [
    policy("1", ["a.org"]),
    policy("1", ["a.org"], "p.yaml is no valid policy; ports: 0."),
    policy("2", ["b.org"]),
  ];
  expect(next([first, first])).toBeUndefined();
  expect(next([first, broken])).toBeUndefined();
  expect(next([broken, broken])).toBe("network policy: p.yaml is no valid policy; ports: 0; the one before it stays until this is mended");
  expect(next([broken, broken])).toBeUndefined();
  expect(next([second, second])).toBe("network policy: counts now: none, http (b.org)");
  expect(next([])).toBeUndefined();
});
