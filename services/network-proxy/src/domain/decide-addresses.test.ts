import { canonicalHost } from "@skrei/domain";
import type { Reason } from "@skrei/domain";
import { describe, expect, test } from "vitest";
import { FORBIDDEN_SPELLINGS } from "../../../../test/kit/forbidden-addresses.ts";
import { decideAddresses } from "./decide-addresses.ts";
import { aPolicy } from "./testdata/a-policy.ts";
import type { PolicyTexts } from "./testdata/a-policy.ts";

function decide(
  addresses: readonly string[],
  { own = [], host = "a.test", ...policy }: PolicyTexts & { own?: readonly string[]; host?: string } = {},
) {
  const canonical = canonicalHost(host);
  if (canonical === undefined) throw new TypeError(`${host} is no host`);
  return decideAddresses({ policy: aPolicy(policy), host: canonical, addresses, ownAddresses: new Set(own) });
}

describe("addresses may be dialled", () => {
  test.each<readonly [string, readonly string[], PolicyTexts, readonly string[]]>([
    ["when all are public", ["8.8.8.8", "2606:4700::1111"], {}, ["8.8.8.8", "2606:4700::1111"]],
    ["each once and in canonical form", ["::ffff:8.8.8.8", "8.8.8.8", "2606:4700:0::1"], {}, ["8.8.8.8", "2606:4700::1"]],
    ["when the operator lists their network", ["10.1.2.3", "8.8.8.8"], { allowedNetworks: ["10.1.0.0/16"] }, ["10.1.2.3", "8.8.8.8"]],
    ["when loopback itself is listed", ["127.0.0.2", "::1"], { allowedNetworks: ["127.0.0.0/8", "::1/128"] }, ["127.0.0.2", "::1"]],
    ["when a listed translator leads to a public one", ["64:ff9b::808:808"], { allowedNetworks: ["64:ff9b::/96"] }, ["64:ff9b::808:808"]],
    [
      "when a listed translator leads to a listed network",
      ["64:ff9b::a01:203"],
      { allowedNetworks: ["64:ff9b::/96", "10.1.0.0/16"] },
      ["64:ff9b::a01:203"],
    ],
  ])("%s", (_, addresses, policy, allowed) => {
    expect(decide(addresses, policy)).toEqual({ verdict: "allow", addresses: allowed });
  });
});

describe("addresses are refused", () => {
  test.each<readonly [string, readonly string[], Parameters<typeof decide>[1], Reason, string]>([
    ["when there is none", [], {}, "EGRESS_NAME_UNRESOLVED", "a.test has no address."],
    [
      "when one of several is private",
      ["8.8.8.8", "10.0.0.1"],
      {},
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 10.0.0.1, which is not a public address (private).",
    ],
    [
      "when one is private in IPv6 clothes",
      ["::ffff:10.0.0.1"],
      {},
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 10.0.0.1, which is not a public address (private).",
    ],
    [
      "when a translator would be used",
      ["64:ff9b::8.8.8.8"],
      {},
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 64:ff9b::808:808, which is not a public address (embedded-ipv4).",
    ],
    [
      "when a listed translator leads to a private one",
      ["64:ff9b::10.0.0.1"],
      { allowedNetworks: ["64:ff9b::/96"] },
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 64:ff9b::a00:1 (10.0.0.1), which is not a public address (private).",
    ],
    [
      "when a listed tunnel leads to the cluster",
      ["2002:808:808::1"],
      { allowedNetworks: ["::/0"], own: ["8.8.8.8"] },
      "EGRESS_CLUSTER_DENIED",
      "a.test leads to 2002:808:808::1 (8.8.8.8), which belongs to the cluster itself, and tasks never reach that.",
    ],
    [
      "when it serves metadata, whatever is listed",
      ["169.254.169.254"],
      { allowedNetworks: ["0.0.0.0/0"] },
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 169.254.169.254, which is not a public address (metadata).",
    ],
    [
      "when it is every address of the machine, whatever is listed",
      ["0.0.0.0"],
      { allowedNetworks: ["0.0.0.0/0", "0.0.0.0/8"] },
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 0.0.0.0, which is not a public address (unspecified).",
    ],
    [
      "when it is the machine's loopback and only everything is listed",
      ["127.0.0.2"],
      { allowedNetworks: ["0.0.0.0/0", "64.0.0.0/2"] },
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 127.0.0.2, which is not a public address (loopback).",
    ],
    [
      "when it is the cluster's, whatever is listed",
      ["10.0.0.1"],
      { allowedNetworks: ["10.0.0.0/8"], own: ["10.0.0.1"] },
      "EGRESS_CLUSTER_DENIED",
      "a.test leads to 10.0.0.1, which belongs to the cluster itself, and tasks never reach that.",
    ],
    [
      "when it is the cluster's and public",
      ["::ffff:8.8.8.8"],
      { own: ["8.8.8.8"] },
      "EGRESS_CLUSTER_DENIED",
      "a.test leads to 8.8.8.8, which belongs to the cluster itself, and tasks never reach that.",
    ],
    [
      "when the operator denies their network",
      ["8.8.8.8"],
      { deniedNetworks: ["8.0.0.0/8"] },
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 8.8.8.8, which lies in 8.0.0.0/8, denied by the node's operator.",
    ],
    [
      "when the operator denies a part of what is allowed",
      ["10.1.2.3"],
      { allowedNetworks: ["10.0.0.0/8"], deniedNetworks: ["10.1.0.0/16"] },
      "EGRESS_ADDRESS_DENIED",
      "a.test leads to 10.1.2.3, which lies in 10.1.0.0/16, denied by the node's operator.",
    ],
    [
      "when a literal is meant, in fewer words",
      ["169.254.169.254"],
      { host: "169.254.169.254", allowedNetworks: ["169.254.0.0/16"] },
      "EGRESS_ADDRESS_DENIED",
      "169.254.169.254 is not a public address (metadata).",
    ],
    ["when one is no address", ["8.8.8.8", "8.8.8\u001b.8"], {}, "EGRESS_ADDRESS_DENIED", "a.test leads to 8.8.8?.8, which is no address."],
  ])("%s", (_, addresses, policy, reason, message) => {
    expect(decide(addresses, policy)).toMatchObject({ verdict: "deny", reason, message });
  });

  test("whichever of the forbidden ones a name leads to", () => {
    for (const address of new Set(FORBIDDEN_SPELLINGS.map((spelling) => spelling.address))) {
      expect(decide(["8.8.8.8", address])).toMatchObject({ verdict: "deny", host: "a.test" });
    }
  });
});
