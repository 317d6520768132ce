import { DomainError, hasReason } from "@skrei/domain";
import { expect, test } from "vitest";
import { createAddressPolicy } from "./address-policy.ts";

function allows(address: string, allowedPrivateCidrs: readonly string[] = []): boolean {
  try {
    createAddressPolicy(allowedPrivateCidrs).check(address, "a.test");
    return true;
  } catch (error) {
    if (hasReason(error, "SOURCE_NOT_ALLOWED")) return false;
    throw error;
  }
}

test.each(["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])("a download may dial %s", (address) => {
  expect(allows(address)).toBe(true);
});

test.each([
  ["127.0.0.1", "itself"],
  ["::1", "itself"],
  ["10.1.2.3", "a private network"],
  ["::ffff:10.1.2.3", "a private network in IPv6"],
  ["100.64.0.1", "the carrier"],
  ["169.254.169.254", "metadata"],
  ["fd00:ec2::254", "metadata"],
  ["168.63.129.16", "metadata at a public address"],
  ["64:ff9b::a00:1", "a translator"],
  ["2002:a00:1::", "a tunnel"],
  ["fe80::1%eth0", "the link"],
  ["224.0.0.1", "many"],
  ["not an address", "nothing"],
])("a download may not dial %s, which is %s", (address) => {
  expect(allows(address)).toBe(false);
});

test("the operator's networks are open, in either spelling", () => {
  expect(allows("10.1.2.3", ["10.0.0.0/8"])).toBe(true);
  expect(allows("::ffff:10.1.2.3", ["10.0.0.0/8"])).toBe(true);
  expect(allows("fd12::1", ["10.0.0.0/8", "fd00::/8"])).toBe(true);
  expect(allows("11.0.0.1", ["10.0.0.0/8"])).toBe(true);
  expect(allows("192.168.0.1", ["10.0.0.0/8"])).toBe(false);
});

test("the refusal names the host, the address and its class", () => {
  expect(() => createAddressPolicy([]).check("fe80::1%eth0", "a.test")).toThrow(
    "a.test leads to fe80::1, which is not a public address (link-local).",
  );
});

test.each(["10.0.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "", "a/8", "10.0.0.0/8/8", "10.0.0.0/-1"])(
  "%j is no network and stops the start",
  (cidr) => {
    expect(() => createAddressPolicy([cidr])).toThrow(DomainError);
  },
);
