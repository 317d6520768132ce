import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { expect, test } from "vitest";
import { parseDomains, parseNetwork } from "../parse/parse-network.ts";
import { networkOfFlags } from "./network-flags.ts";

type Flags = Parameters<typeof networkOfFlags>[0];

const flags = (given: { network?: string; net?: string; domain?: readonly string[]; egressMax?: number }): Flags => ({
  network: given.network === undefined ? [] : [parseNetwork(given.network)],
  net: given.net === undefined ? [] : [parseNetwork(given.net)],
  domain: (given.domain ?? []).map(parseDomains),
  "egress-max": given.egressMax,
});
const http = (domains: string[], egressBytesMax = 0n): Parameters<typeof networkOfFlags>[1] & object => ({
  mode: Network_Mode.HTTP,
  domains,
  egressBytesMax,
});

test("is none when nothing is asked for", () => {
  expect(networkOfFlags(flags({}))).toEqual({ mode: Network_Mode.NONE });
});

test("takes hosts of --network and of --domain, which alone means http", () => {
  expect(networkOfFlags(flags({ network: "a.org,.b.org", domain: ["c.org"] }))).toEqual(http(["a.org", ".b.org", "c.org"]));
  expect(networkOfFlags(flags({ net: "http", domain: ["c.org,d.org"], egressMax: 10 }))).toEqual(http(["c.org", "d.org"], 10n));
  expect(networkOfFlags(flags({ domain: ["c.org"] }))).toEqual(http(["c.org"]));
});

test("goes over a file: hosts of --network replace its list, those of --domain are added, other modes replace it all", () => {
  const file = http(["file.org"], 5n);
  expect(networkOfFlags(flags({}), file)).toEqual(file);
  expect(networkOfFlags(flags({ network: "a.org" }), file)).toEqual(http(["a.org"], 5n));
  expect(networkOfFlags(flags({ domain: ["a.org"] }), file)).toEqual(http(["file.org", "a.org"], 5n));
  expect(networkOfFlags(flags({ network: "http", egressMax: 7 }), file)).toEqual(http(["file.org"], 7n));
  expect(networkOfFlags(flags({ network: "none" }), file)).toEqual({ mode: Network_Mode.NONE });
  expect(networkOfFlags(flags({ network: "full" }), file)).toEqual({ mode: Network_Mode.FULL });
});

test.for([
  [{ network: "full", domain: ["a.org"] }, /--domain goes with http/u],
  [{ network: "none", domain: ["a.org"] }, /--domain goes with http/u],
  [{ network: "full", egressMax: 1 }, /--egress-max goes with http/u],
  [{ egressMax: 1 }, /--egress-max goes with http/u],
  [{ network: "http" }, /needs a list of hosts/u],
  [{ network: "a.org", net: "none" }, /--network asks for http and for none/u],
] as const)("refuses %j", ([given, message]) => {
  expect(() => networkOfFlags(flags(given))).toThrow(message);
});

test("refuses a host beside a file that asks for everything", () => {
  expect(() => networkOfFlags(flags({ domain: ["a.org"] }), { mode: Network_Mode.FULL })).toThrow(/--domain goes with http/u);
});
