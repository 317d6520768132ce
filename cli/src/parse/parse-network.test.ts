import { expect, test } from "vitest";
import { parseDomains, parseNetwork } from "./parse-network.ts";

test.for([
  ["none", "none", []],
  ["Default", "none", []],
  ["HTTP", "http", []],
  ["full", "full", []],
  ["Host", "full", []],
  ["api.example.com", "http", ["api.example.com"]],
  ["api.example.com, .example.org,", "http", ["api.example.com", ".example.org"]],
  ["2001:db8::1", "http", ["2001:db8::1"]],
] as const)("reads the network %s as %s of %j", ([text, mode, domains]) => {
  expect(parseNetwork(text)).toEqual({ mode, domains });
});

test.for([
  ["brigde", /not a network: none, http, full, or hosts/u],
  ["none,api.example.com", /not a network/u],
  ["", /not a network/u],
  [",", /not a network/u],
  ["bridge", /not offered by this version/u],
] as const)("refuses the network %j", ([text, message]) => {
  expect(() => parseNetwork(text)).toThrow(message);
});

test("takes several hosts in one flag, and none at all for a mistake", () => {
  expect(parseDomains("a.example.com, b.example.com")).toEqual(["a.example.com", "b.example.com"]);
  expect(() => parseDomains(" ")).toThrow(/not a host/u);
});
