import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddressNetwork, isInNetwork, parseAddressNetwork } from "./address-network.ts";

test.each([
  ["10.0.0.0/8", "10.0.0.0/8"],
  ["10.1.2.3/8", "10.0.0.0/8"],
  ["10.1.2.3/32", "10.1.2.3/32"],
  ["172.16.5.5/12", "172.16.0.0/12"],
  ["0.0.0.0/0", "0.0.0.0/0"],
  ["FD00:0::1/8", "fd00::/8"],
  ["2001:db8:ffff::/33", "2001:db8:8000::/33"],
  ["::/0", "::/0"],
  ["::ffff:10.1.2.3/104", "10.0.0.0/8"],
])("%s is the network %s", (text, canonical) => {
  const network = parseAddressNetwork(text);
  expect(network && formatAddressNetwork(network)).toBe(canonical);
});

test.each([
  "",
  "10.0.0.0",
  "10.0.0.0/",
  "/8",
  "10.0.0.0/33",
  "10.0.0.0/08",
  "10.0.0.0/-1",
  "10.0.0.0/8/8",
  "10.0.0/8",
  "0xa.0.0.0/8",
  "fd00::/129",
  "fe80::1%eth0/10",
  "[fd00::]/8",
  "a/8",
  " 10.0.0.0/8",
  "10.0.0.0/8\n",
  "10.0.0.0/1e1",
  "::ffff:0:0/95",
])("%j is no network", (text) => {
  expect(parseAddressNetwork(text)).toBeUndefined();
});

test.each([
  ["10.0.0.0/8", "10.255.255.255", true],
  ["10.0.0.0/8", "11.0.0.0", false],
  ["10.0.0.0/8", "::ffff:10.0.0.1", true],
  ["10.0.0.0/8", "::a00:1", false],
  ["172.16.0.0/12", "172.31.255.255", true],
  ["172.16.0.0/12", "172.32.0.0", false],
  ["::/0", "10.0.0.1", false],
  ["0.0.0.0/0", "::1", false],
  ["fe80::/10", "fe80::1%eth0", true],
  ["10.0.0.0/8", "ten", false],
])("in %s %s is: %s", (cidr, address, isInside) => {
  const network = parseAddressNetwork(cidr);
  expect(network !== undefined && isInNetwork(network, address)).toBe(isInside);
});

test("agrees with node:net about any network and address", () => {
  const ipv4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4());
  const ipv6 = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }), fc.ipV6());
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), fc.nat(39), ([base, bits, other], kept) => {
      const list = new BlockList();
      const family = isIP(base) === 6 ? "ipv6" : "ipv4";
      list.addSubnet(base, bits, family);
      const network = parseAddressNetwork(`${base}/${bits}`);
      const near = base.slice(0, kept) + other.slice(kept);
      for (const address of [base, other, ...(isIP(near) === isIP(base) ? [near] : [])]) {
        if (/^(?:0*:)*(?:ffff:)/iu.test(address)) continue;
        expect(network !== undefined && isInNetwork(network, address)).toBe(list.check(address, family));
      }
    }),
    { numRuns: 10_000 },
  );
});
