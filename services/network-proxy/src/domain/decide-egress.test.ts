import { canonicalHost, parseHostRule } from "@skrei/domain";
import type { CanonicalHost, NetworkMode, Reason } from "@skrei/domain";
import { describe, expect, test } from "vitest";
import { FORBIDDEN_SPELLINGS } from "../../../../test/kit/forbidden-addresses.ts";
import { decideTarget } from "./decide-egress.ts";
import type { DoorRules } from "./decide-egress.ts";
import { aPolicy } from "./testdata/a-policy.ts";
import type { PolicyTexts } from "./testdata/a-policy.ts";

interface Case extends PolicyTexts {
  readonly host: string;
  readonly port?: number;
  readonly mode?: NetworkMode;
  readonly job?: readonly string[];
  readonly cluster?: readonly string[];
}

function aDoor({ mode = "http", job = [], cluster = [] }: Partial<Case>): DoorRules {
  const clusterHosts = cluster.map(canonicalHost).filter((host): host is CanonicalHost => host !== undefined);
  return { mode, rules: job.map(parseHostRule), clusterHosts };
}

function decide({ host, port = 443, mode = "http", job = [], cluster = [], ...policy }: Case) {
  return decideTarget(aDoor({ mode, job, cluster }), aPolicy({ domains: ["*"], ...policy }), { host, port, scheme: "https" });
}

describe("a request is let through", () => {
  test.each<readonly [string, Case, string, string]>([
    ["to a name on both lists", { host: "a.test", job: ["a.test"], domains: [".test"] }, "a.test", ".test"],
    ["in any spelling of the name", { host: "A.TEST.", job: ["a.test"] }, "a.test", "*"],
    ["to what lies below a listed name", { host: "x.y.a.test", job: ["b.test", ".a.test"] }, ".a.test", "*"],
    ["to a port that the operator adds", { host: "a.test", port: 8443, job: ["a.test"], ports: [80, 443, 8443] }, "a.test", "*"],
    [
      "to an address whose network is open",
      { host: "10.1.2.3", job: ["10.1.2.3"], allowedNetworks: ["10.0.0.0/8"] },
      "10.1.2.3",
      "10.0.0.0/8",
    ],
    ["to an IPv6 address in brackets", { host: "[FD00::1]", job: ["fd00::1"], allowedNetworks: ["fd00::/8"] }, "fd00::1", "fd00::/8"],
    ["to any name in mode full, whatever the node's list", { host: "a.test", mode: "full", domains: [] }, "*", "*"],
    ["to an open address in mode full", { host: "10.1.2.3", mode: "full", allowedNetworks: ["10.1.0.0/16"] }, "*", "10.1.0.0/16"],
  ])("%s", (_, parts, jobRule, nodeRule) => {
    expect(decide(parts)).toEqual({ verdict: "allow", host: canonicalHost(parts.host), jobRule, nodeRule });
  });
});

describe("a request is refused", () => {
  test.each<readonly [string, Case, Reason, string, string]>([
    [
      "when the host is not on the job's list",
      { host: "example.org", job: ["example.com", ".pypi.org"] },
      "EGRESS_HOST_NOT_ON_JOB_LIST",
      "example.org is not on this job's list (example.com, .pypi.org).",
      'Add "example.org" to network.domains of the job.',
    ],
    [
      "when the name only ends with a listed one",
      { host: "notexample.com", job: [".example.com"] },
      "EGRESS_HOST_NOT_ON_JOB_LIST",
      "notexample.com is not on this job's list (.example.com).",
      'Add "notexample.com" to network.domains of the job.',
    ],
    [
      "when a single label cannot be listed",
      { host: "localhost", job: ["a.test"] },
      "EGRESS_HOST_NOT_ON_JOB_LIST",
      "localhost is not on this job's list (a.test).",
      "Names without a dot cannot be listed; only public names can be reached.",
    ],
    [
      "when the job has no network",
      { host: "a.test", mode: "none" },
      "EGRESS_HOST_NOT_ON_JOB_LIST",
      "a.test is out of reach, for this job has no network.",
      'Ask for one: network mode http with "a.test" in network.domains of the job.',
    ],
    [
      "when the host is not on the node's list",
      { host: "example.org", job: [".example.org"], domains: ["example.com"] },
      "EGRESS_HOST_NOT_ON_NODE_LIST",
      "The node's list does not have example.org.",
      "Ask the node's operator to list it; `skrei node describe NODE` shows what a node allows.",
    ],
    [
      "when the operator denies it",
      { host: "x.evil.test", job: [".evil.test"], deniedDomains: [".evil.test"] },
      "EGRESS_HOST_NOT_ON_NODE_LIST",
      "x.evil.test is denied by the node's operator (.evil.test).",
      "The node's operator denies it whatever is listed; ask there.",
    ],
    [
      "in mode full when the operator denies it",
      { host: "evil.test", mode: "full", deniedDomains: ["evil.test"] },
      "EGRESS_HOST_NOT_ON_NODE_LIST",
      "evil.test is denied by the node's operator (evil.test).",
      "The node's operator denies it whatever is listed; ask there.",
    ],
    [
      "when the host is the cluster, whatever is listed",
      { host: "SCHEDULER.test.", job: [".test"], domains: ["*"], cluster: ["scheduler.test"] },
      "EGRESS_CLUSTER_DENIED",
      "scheduler.test belongs to the cluster itself, and tasks never reach that.",
      "No list can open it; ask for what the task needs as an input of the job.",
    ],
    [
      "when the address is the cluster's, whatever is listed",
      { host: "0xa.1", job: ["10.0.0.1"], allowedNetworks: ["10.0.0.0/8"], cluster: ["10.0.0.1"] },
      "EGRESS_CLUSTER_DENIED",
      "10.0.0.1 belongs to the cluster itself, and tasks never reach that.",
      "No list can open it; ask for what the task needs as an input of the job.",
    ],
    [
      "when it is an address, though the job lists it",
      { host: "8.8.8.8", job: ["8.8.8.8"] },
      "EGRESS_LITERAL_DENIED",
      "8.8.8.8 is an address (public), and tasks reach hosts by name.",
      "Ask for the host by name, or ask the node's operator to list the address's network in allowedNetworks.",
    ],
    [
      "when it is an address in mode full",
      { host: "[::ffff:a9fe:a9fe]", mode: "full" },
      "EGRESS_LITERAL_DENIED",
      "169.254.169.254 is an address (metadata), and tasks reach hosts by name.",
      "Tasks reach public addresses; no list can open this one.",
    ],
    [
      "when the node opens the address and the job does not list it",
      { host: "10.0.0.1", job: ["a.test"], allowedNetworks: ["10.0.0.0/8"] },
      "EGRESS_HOST_NOT_ON_JOB_LIST",
      "10.0.0.1 is not on this job's list (a.test).",
      'Add "10.0.0.1" to network.domains of the job.',
    ],
    [
      "when the operator does not allow the port",
      { host: "a.test", port: 22, job: ["a.test"] },
      "EGRESS_PORT_DENIED",
      "Port 22 of a.test is none that this node allows (80, 443).",
      "Use one of those ports, or ask the node's operator to list the port.",
    ],
    [
      "when nothing is left of the host",
      { host: "" },
      "EGRESS_HOST_INVALID",
      "The request names no host.",
      "Ask for a name such as example.com, without user name, percent-encoding or white space.",
    ],
    [
      "when the host is none, without repeating its control characters",
      { host: "a\u001b]0;x\u0007\u009b2J\r\nb\u202e" },
      "EGRESS_HOST_INVALID",
      '"a?]0;x??2J??b?" is not a host name.',
      "Ask for a name such as example.com, without user name, percent-encoding or white space.",
    ],
  ])("%s", (_, parts, reason, message, hint) => {
    expect(decide(parts)).toMatchObject({ verdict: "deny", reason, message, hint });
  });

  test("with a host of at most 253 visible characters and short lists", () => {
    const long = decide({ host: "é ".repeat(10_000) });
    expect(long).toMatchObject({ verdict: "deny", host: expect.stringMatching(/^[\x21-\x7e]{253}$/u) });
    const many = decide({ host: "z.test", job: Array.from({ length: 256 }, (_, index) => `n${index}.${"a".repeat(60)}.test`) });
    expect(many).toMatchObject({
      message: expect.stringMatching(/^z\.test is not on this job's list \(n0\.a+\.test, n1\.a+\.test and 254 more\)\.$/u),
    });
    expect(decide({ host: "z.test", job: [] })).toMatchObject({ message: "z.test is not on this job's list (nothing)." });
  });

  test.each([0, -1, 1.5, 65_536, Number.NaN, 80.00001])("at port %d", (port) => {
    expect(decide({ host: "a.test", port, job: ["a.test"] })).toMatchObject({ verdict: "deny", reason: "EGRESS_PORT_DENIED" });
  });
});

test("every forbidden spelling is refused in every mode, by lists that have everything, with printable words", () => {
  const passed = FORBIDDEN_SPELLINGS.filter(({ text, address }) =>
    (["none", "http", "full"] as const).some((mode) => {
      const decision = decide({ host: text, mode, job: [address, "good.test", ".test"], domains: ["*"] });
      if (decision.verdict === "allow") return true;
      expect(`${decision.host}${decision.message}${decision.hint}`).toMatch(/^[\x20-\x7e]*$/u);
      expect(["EGRESS_LITERAL_DENIED", "EGRESS_HOST_INVALID"]).toContain(decision.reason);
      return false;
    }),
  );
  expect(passed).toEqual([]);
});
