import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalAddress, classifyAddress, embeddedIpv4 } from "./address-class.ts";
import type { AddressClass } from "./address-class.ts";

describe("classifyAddress", () => {
  test.each<readonly [string, AddressClass]>([
    ["8.8.8.8", "public"],
    ["1.0.0.1", "public"],
    ["172.15.255.255", "public"],
    ["172.32.0.0", "public"],
    ["100.63.255.255", "public"],
    ["100.128.0.0", "public"],
    ["223.255.255.255", "public"],
    ["2606:4700:4700::1111", "public"],
    ["2001:4860:4860::8888", "public"],
    ["2620:4f:8000::1", "public"],
    ["3ffe::1", "public"],
    ["::ffff:8.8.8.8", "public"],
    ["0.0.0.0", "unspecified"],
    ["::", "unspecified"],
    ["127.0.0.1", "loopback"],
    ["::1", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["10.0.0.1", "private"],
    ["fd00::1", "private"],
    ["fec0::1", "private"],
    ["100.64.0.1", "carrier-nat"],
    ["169.254.0.1", "link-local"],
    ["fe80::1", "link-local"],
    ["fe80::1%eth0", "link-local"],
    ["febf::1", "link-local"],
    ["169.254.169.254", "metadata"],
    ["::ffff:169.254.169.254", "metadata"],
    ["168.63.129.16", "metadata"],
    ["fd00:ec2::254", "metadata"],
    ["224.0.0.1", "multicast"],
    ["ff02::1", "multicast"],
    ["255.255.255.255", "reserved"],
    ["198.18.0.1", "reserved"],
    ["4000::", "reserved"],
    ["100::1", "reserved"],
    ["203.0.113.9", "documentation"],
    ["2001:db8::1", "documentation"],
    ["3fff:fff::1", "documentation"],
    ["::7f00:1", "embedded-ipv4"],
    ["::ffff:0:7f00:1", "embedded-ipv4"],
    ["64:ff9b::8.8.8.8", "embedded-ipv4"],
    ["2002:808:808::", "embedded-ipv4"],
    ["2001::1", "embedded-ipv4"],
    ["2600::5efe:a00:1", "embedded-ipv4"],
  ])("%s is %s", (address, addressClass) => {
    expect(classifyAddress(address)).toBe(addressClass);
  });

  test.each(["", "a", "127.1", "0x7f.0.0.1", "127.0.0.01", "256.0.0.1", "1.2.3.4.5", "1.2.3.", "[::1]", ":::", "1::2::3", "12345::"])(
    "%j is no address",
    (text) => {
      expect(classifyAddress(text)).toBeUndefined();
      expect(canonicalAddress(text)).toBeUndefined();
    },
  );

  test("agrees with IANA's registries about what is public, but for the blocks that are closed on purpose", () => {
    fc.assert(
      fc.property(anyAddress, (address) => {
        const isPublic = classifyAddress(address) === "public";
        const isClosed = isIn(NOT_REACHABLE, address) || isIn(CLOSED_ON_PURPOSE, address) || isOutsideGlobalUnicast(address);
        expect(isPublic).toBe(!isClosed);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("canonicalAddress", () => {
  test.each([
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:7f00:1", "127.0.0.1"],
    ["fe80::1%eth0", "fe80::1"],
    ["64:ff9b::10.0.0.1", "64:ff9b::a00:1"],
  ])("writes %s as %s", (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  test("takes what node:net takes and writes IPv6 as the URL parser does", () => {
    fc.assert(
      fc.property(fc.oneof(anyAddress, nearlyAnAddress), (text) => {
        const canonical = canonicalAddress(text);
        const [plain = ""] = text.split("%");
        if (plain === text) expect(canonical !== undefined).toBe(isIP(text) !== 0);
        if (canonical === undefined) return;
        expect(isIP(text)).not.toBe(0);
        expect(canonicalAddress(canonical)).toBe(canonical);
        if (canonical.includes(":")) expect(`[${canonical}]`).toBe(new URL(`http://[${plain}]`).hostname);
      }),
      { numRuns: 20_000 },
    );
  });
});

test.each([
  ["::7f00:1", "127.0.0.1"],
  ["::ffff:0:7f00:1", "127.0.0.1"],
  ["64:ff9b::a9fe:a9fe", "169.254.169.254"],
  ["64:ff9b:1::a00:1", "10.0.0.1"],
  ["2002:a00:1::7", "10.0.0.1"],
  ["2001:0:808:808:0:0:80ff:fffe", "127.0.0.1"],
  ["2600::5efe:10.0.0.1", "10.0.0.1"],
  ["::ffff:10.0.0.1", undefined],
  ["2606:4700::1", undefined],
  ["10.0.0.1", undefined],
  ["a", undefined],
])("the IPv4 address inside %s is %s", (address, inside) => {
  expect(embeddedIpv4(address)).toBe(inside);
});

/**
 * IANA IPv4 and IPv6 Special-Purpose Address Registries: what is not globally reachable, or not said to be; and multicast. Written
 * down here a second time, and read by another parser.
 */
const NOT_REACHABLE = blockListOf([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/29",
  "192.0.0.8/32",
  "192.0.0.170/31",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::1/128",
  "::/128",
  "64:ff9b:1::/48",
  "100::/64",
  "100:0:0:1::/64",
  "2001::/32",
  "2001:2::/48",
  "2001:10::/28",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "5f00::/16",
  "fc00::/7",
  "fe80::/10",
  "ff00::/8",
]);

/** Reachable by the registries, and still not for tasks: protocol assignments, translators, metadata of clouds. */
const CLOSED_ON_PURPOSE = blockListOf(["192.0.0.0/24", "168.63.129.16/32", "2001::/23", "64:ff9b::/96"]);

function blockListOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", bits] = cidr.split("/");
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

const GLOBAL_UNICAST = blockListOf(["2000::/3", "::ffff:0:0/96"]);
function isOutsideGlobalUnicast(address: string): boolean {
  return isIP(address) === 6 && !isIn(GLOBAL_UNICAST, address);
}

const ipv4Of = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
const ipv6Of = (value: bigint): string =>
  Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16)).join(":");

/** Half of them at the edge of a block, where mistakes are. */
const ipv4Edges = fc
  .constantFrom(0, 1, 10, 11, 100.25, 100.5, 126, 127, 128, 169.9921875, 172.0625, 172.125, 192, 192.65625, 198.0703125, 203, 224, 240, 256)
  .chain((block) => fc.integer({ min: -3, max: 3 }).map((step) => ipv4Of((block * 2 ** 24 + step) >>> 0)));
const ipv6Edges = fc
  .tuple(
    fc.constantFrom(0n, 0x64ff9bn << 80n, 0x64ff9b0001n << 80n, 0x100n << 112n, 0x2000n << 112n, 0x2001n << 112n, 0x20010db8n << 96n),
    fc.constantFrom(0n, 1n, 1n << 32n, 1n << 48n, 1n << 64n, 1n << 80n, 1n << 96n, 1n << 103n, 1n << 112n, 0xffffn << 32n),
    fc.bigInt({ min: -2n, max: 2n }),
  )
  .map(([block, offset, step]) => ipv6Of(BigInt.asUintN(128, block + offset + step)));
const ipv6Prefixed = fc
  .tuple(
    fc.constantFrom("2001:", "2001:db8:", "2002:", "3fff:", "3ffe:", "64:ff9b:", "64:ff9b:1:", "fe80:", "fec0:", "fd00:", "ff02:", "5f00:"),
    fc.integer({ min: 0, max: 0xffff }),
    fc.integer({ min: 0, max: 0xffff }),
  )
  .map(([prefix, a, b]) => `${prefix}${a.toString(16)}::${b.toString(16)}`);
const mapped = fc.oneof(fc.ipV4(), ipv4Edges).map((address) => `::ffff:${address}`);
const anyAddress = fc.oneof(fc.ipV4(), ipv4Edges, fc.ipV6(), ipv6Edges, ipv6Prefixed, mapped);
const nearlyAnAddress = fc.oneof(
  fc.string({ unit: fc.constantFrom("0", "1", "9", "f", ":", "::", ".", "%", "x", "[", "ffff", "255"), maxLength: 14 }),
  fc
    .tuple(anyAddress, fc.nat(40), fc.constantFrom("", ":", ".", "0", "g", "::", "/", " "))
    .map(([address, at, text]) => address.slice(0, at) + text + address.slice(at + 1)),
);
