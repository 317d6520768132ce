import type { Network } from "@skrei/domain";
import { describe, expect, test } from "vitest";
import { refusalOf } from "./network-policy.ts";
import { aPolicy } from "./testdata/a-policy.ts";
import type { PolicyTexts } from "./testdata/a-policy.ts";

const http = (...domains: readonly string[]): Network => ({ mode: "http", domains, egressBytesMax: 0 });
const messageOf = (policy: PolicyTexts, network: Network): string | undefined => refusalOf(aPolicy(policy), network)?.message;

describe("a mode", () => {
  test.each(["none", "http", "full"] as const)("%s that is offered is fine", (mode) => {
    expect(messageOf({ modes: [mode] }, { mode, domains: [], egressBytesMax: 0 })).toBeUndefined();
  });

  test("that is not offered is refused with what is", () => {
    expect(refusalOf(aPolicy({ modes: ["none", "http"] }), { mode: "full", domains: [], egressBytesMax: 0 })).toMatchObject({
      kind: "precondition",
      reason: "NETWORK_MODE_NOT_OFFERED",
      // In the words of the bid.
      message: "The node offers network none, http, the task asks for full.",
      metadata: {
        offered: "none, http",
        hint: "Ask for one of the modes that are offered (none, http), or the node's operator for this one.",
      },
    });
  });

  test("is judged before the list", () => {
    expect(refusalOf(aPolicy({ modes: ["none"] }), http("a.test"))?.reason).toBe("NETWORK_MODE_NOT_OFFERED");
  });
});

describe("a list", () => {
  test.each<readonly [string, PolicyTexts, string]>([
    ["its name is listed", { domains: ["example.com"] }, "example.com"],
    ["a name above it is listed with all below", { domains: [".example.com"] }, "www.example.com"],
    ["all below it are listed with it", { domains: [".example.com"] }, ".example.com"],
    ["every name is listed", { domains: ["*"] }, ".example.com"],
    ["the network of its address is listed", { allowedNetworks: ["192.0.2.0/24"] }, "192.0.2.7"],
    ["the network of its IPv6 address is listed", { allowedNetworks: ["fd00::/8"] }, "fd12::1"],
    ["its address is listed as a name", { domains: ["8.8.8.8"] }, "8.8.8.8"],
    ["only a part of what it covers is denied", { domains: [".example.com"], deniedDomains: ["x.example.com"] }, ".example.com"],
  ])("is allowed when %s", (_, policy, domain) => {
    expect(messageOf(policy, http(domain))).toBeUndefined();
  });

  test.each<readonly [string, PolicyTexts, string]>([
    ["nothing is listed", {}, "example.com"],
    ["only the name itself is listed and it asks for all below", { domains: ["example.com"] }, ".example.com"],
    ["another name is listed that ends in it", { domains: [".example.com"] }, "notexample.com"],
    ["every name is listed and it is an address", { domains: ["*"] }, "8.8.8.8"],
    ["a list of networks does not have its address", { allowedNetworks: ["10.0.0.0/8"] }, "11.0.0.1"],
    ["it is denied", { domains: ["*"], deniedDomains: ["example.com"] }, "example.com"],
    ["a name above it is denied with all below", { domains: ["*"], deniedDomains: [".com"] }, ".example.com"],
    ["its address lies in a denied network", { allowedNetworks: ["10.0.0.0/8"], deniedNetworks: ["10.1.0.0/16"] }, "10.1.2.3"],
    ["its address is one of metadata", { allowedNetworks: ["0.0.0.0/0"] }, "169.254.169.254"],
    ["its address is multicast", { allowedNetworks: ["224.0.0.0/4"] }, "224.0.0.1"],
    ["its address is loopback and only everything is listed", { allowedNetworks: ["0.0.0.0/0"] }, "127.0.0.1"],
    ["its private address is listed as a name, not its network", { domains: ["10.0.0.1"] }, "10.0.0.1"],
    ["it is a rule of a newer peer", { domains: ["*"] }, "~example.com"],
    ["it is not in canonical form", { domains: ["*"] }, "EXAMPLE.com"],
  ])("is refused when %s", (_, policy, domain) => {
    expect(messageOf(policy, http(domain))).toBe(`This node does not allow ${domain}.`);
  });

  test("is refused with every name that is missing and with what to do", () => {
    expect(refusalOf(aPolicy({ domains: ["b.test"] }), http("a.test", "b.test", ".c.test"))).toMatchObject({
      kind: "precondition",
      reason: "NETWORK_DOMAIN_NOT_ALLOWED",
      message: "This node does not allow a.test, .c.test.",
      metadata: { missing: "2", hint: "Ask the node's operator to list them; `skrei node describe NODE` shows what a node allows." },
    });
  });

  test("is refused with the first ten of many names", () => {
    const names = Array.from({ length: 12 }, (_, index) => `n${index}.test`);
    expect(messageOf({}, http(...names))).toBe(`This node does not allow ${names.slice(0, 10).join(", ")} and 2 more.`);
  });
});
