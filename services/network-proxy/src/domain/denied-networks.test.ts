import { classifyAddress, isInNetwork, parseAddressNetwork } from "@skrei/domain";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decideAddresses } from "./decide-addresses.ts";
import { deniedNetworks } from "./denied-networks.ts";
import { aPolicy } from "./testdata/a-policy.ts";

const NOTHING: ReadonlySet<string> = new Set();

test("all that is not public is closed, metadata at public addresses included", () => {
  const networks = deniedNetworks(aPolicy(), NOTHING);
  expect(networks).toEqual(
    expect.arrayContaining(["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10", "168.63.129.16/32", "fc00::/7", "fe80::/10"]),
  );
});

test("a listed network is cut out, and nothing beside it", () => {
  const networks = deniedNetworks(aPolicy({ allowedNetworks: ["10.64.0.0/10"] }), NOTHING);
  expect(networks.filter((network) => network.startsWith("10."))).toEqual(["10.0.0.0/10", "10.128.0.0/9"]);
});

test("what the operator denies and what is the cluster's is closed, whatever is listed", () => {
  const policy = aPolicy({ allowedNetworks: ["0.0.0.0/0"], deniedNetworks: ["8.8.0.0/16"] });
  expect(deniedNetworks(policy, new Set(["10.0.0.1", "2600::1"]))).toEqual(
    expect.arrayContaining(["8.8.0.0/16", "10.0.0.1/32", "2600::1/128", "169.254.169.254/32", "224.0.0.0/4"]),
  );
});

test("closes what the proxy would refuse to dial, and nothing else", () => {
  const lists = fc.subarray([
    "10.0.0.0/8",
    "10.1.0.0/16",
    "172.16.5.0/24",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "192.168.7.7/32",
    "fd00::/8",
  ]);
  const ipv4 = fc.oneof(
    fc.ipV4(),
    fc
      .tuple(fc.constantFrom("10.0", "10.1", "10.2", "172.16", "100.64", "169.254", "192.168"), fc.constantFrom(0, 5, 7, 169), fc.nat(255))
      .map(([prefix, third, fourth]) => `${prefix}.${third}.${fourth}`),
  );
  const address = fc.oneof(ipv4, fc.ipV6(), fc.constantFrom("fd00::1", "fc00::1", "fe80::1", "fdff::7", "169.254.169.254", "8.8.8.8"));
  fc.assert(
    fc.property(lists, lists, fc.array(address, { minLength: 1, maxLength: 20 }), (allowed, denied, addresses) => {
      const policy = aPolicy({ allowedNetworks: allowed, deniedNetworks: denied });
      const networks = deniedNetworks(policy, NOTHING).flatMap((text) => parseAddressNetwork(text) ?? []);
      for (const one of addresses) {
        if (classifyAddress(one) === "embedded-ipv4") continue;
        const decision = decideAddresses({ policy, host: { kind: "name", host: "a.test" }, addresses: [one], ownAddresses: NOTHING });
        expect(networks.some((network) => isInNetwork(network, one))).toBe(decision.verdict === "deny");
      }
    }),
    { numRuns: 200 },
  );
});
