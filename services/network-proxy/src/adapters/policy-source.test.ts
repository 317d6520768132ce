import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { expect, onTestFinished, test } from "vitest";
import { NetworkProxyConfig } from "../config.ts";
import type { LoadedPolicy } from "../ports.ts";
import { fixedPolicy, policyFile } from "./policy-source.ts";

function pathOf(text?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "skrei-policy-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "policy.yaml");
  if (text !== undefined) writeFileSync(path, text);
  return path;
}

function read(text: string): LoadedPolicy {
  return policyFile(pathOf(text)).read();
}

function problemsOf(path: string): { readonly message: string; readonly lines: readonly string[]; readonly hint: string } {
  try {
    policyFile(path).read();
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    expect(error.reason).toBe("CONFIG_INVALID");
    const lines = error.violations.map(({ field, message }) => `${field}: ${message}`);
    return { message: error.message.replace(path, "FILE"), lines, hint: error.metadata["hint"] ?? "" };
  }
  throw new Error("the policy is fine");
}

test("none is offered whatever else is", () => {
  expect(read("modes: [http]").policy.modes).toEqual(["none", "http"]);
  expect(read("modes: [full, none]").policy.modes).toEqual(["none", "full"]);
  const settings = NetworkProxyConfig.parse({ dataFolder: "x", modes: ["http"] });
  expect(fixedPolicy(settings).read().policy.modes).toEqual(["none", "http"]);
});

test.each([
  ["egressBytesMax: 10MB", { egressBytesMax: 10_000_000 }],
  ["egressBytesMax: 1.5 GiB", { egressBytesMax: 1_610_612_736 }],
  ["egressBytesMax: 4096", { egressBytesMax: 4_096 }],
  ["rateBitsPerSecond: 10Mbit", { rateBitsPerSecond: 10_000_000 }],
  ["rateBitsPerSecond: 1.5 Gbit/s", { rateBitsPerSecond: 1_500_000_000 }],
  ["rateBitsPerSecond: 64kbps", { rateBitsPerSecond: 64_000 }],
  ["rateBitsPerSecond: 0", { rateBitsPerSecond: 0 }],
])("takes %s", (text, policy) => {
  expect(read(text).policy).toMatchObject(policy);
});

test.each([
  [
    'modes: [http]\ndomains:\n  - a.org\n  - "*.example.com"',
    'domains[1]: "*.example.com" is no rule; write ".example.com" for the name and all below it (line 4)',
  ],
  ["domains: [https://a.org]", /^domains\[0\]: "https:\/\/a\.org" is no rule; allowed: .* without a scheme \(line 1\)$/u],
  ["domains: [a b]", /^domains\[0\]: "a b" is no rule; allowed: a name such as example\.com, .* \(line 1\)$/u],
  ["allowedNetworks: [127.0.0.2]", 'allowedNetworks[0]: "127.0.0.2" is an address; write 127.0.0.2/32 (line 1)'],
  ["deniedNetworks: ['fd00::1']", 'deniedNetworks[0]: "fd00::1" is an address; write fd00::1/128 (line 1)'],
  ["deniedNetworks: [10.1/16]", 'deniedNetworks[0]: "10.1/16" is no network; write one such as 10.1.0.0/16 (line 1)'],
  ["ports: [https]", 'ports[0]: found "https"; allowed: a number (line 1)'],
  ["ports: [80, 99999]", "ports[1]: found 99999; allowed: at most 65535 (line 1)"],
  ["connectionsMax: 1.5", "connectionsMax: found 1.5; allowed: a whole number (line 1)"],
  ["connectionsMax: 0", "connectionsMax: found 0; allowed: at least 1 (line 1)"],
  ["modes: [none, htpt]", 'modes[1]: found "htpt"; allowed: none, http, full (line 1)'],
  ["modes: []", "modes: must name at least one mode (line 1)"],
  ["domains: {a: b}", "domains: found an object; allowed: a list such as [a, b] (line 1)"],
  ["egressBytesMax: 10Mbit", 'egressBytesMax: found "10Mbit"; allowed: a size such as 10MB, 1GiB or 4096 (line 1)'],
  ["rateBitsPerSecond: 10MB", 'rateBitsPerSecond: found "10MB"; allowed: bits per second such as 10Mbit, 1.5Gbit or 64000 (line 1)'],
  ["modes: [http]\ndomain: [a.org]", "domain: is no key of a policy; did you mean domains? (line 2)"],
  [
    "dnsServers: [a.org]",
    'dnsServers[0]: "a.org" is no name server; write an address such as 10.1.0.53, 10.1.0.53:5353 or [fd00::53]:53 (line 1)',
  ],
])("says of %j in one line what is wrong", (text, line) => {
  const { message, lines, hint } = problemsOf(pathOf(text));
  expect(lines).toEqual([typeof line === "string" ? line : expect.stringMatching(line)]);
  expect(message).toBe("FILE is no valid policy, it has one problem");
  expect(hint).not.toBe("");
});

test("tells all problems, each once, and repeats no list", () => {
  const { message, lines } = problemsOf(pathOf(`domains: [${"a.org, ".repeat(100)}x_y z, b.org:80]\nportz: [1]\nports: [x]\n`));
  expect(message).toBe("FILE is no valid policy, it has 4 problems");
  expect(lines).toHaveLength(4);
  for (const line of lines) expect(line.length).toBeLessThan(200);
});

test.each([
  [undefined, /^FILE does not exist$/u],
  ["", /^FILE is no valid policy: it is empty; .*`modes: \[none\]`$/u],
  ["- a\n- b", /^FILE is no valid policy: it must hold keys and values, such as `modes: \[none, http\]`$/u],
  ["modes: [none\ndomains: [a", /^FILE is no valid policy: line \d: [^\n]*$/u],
  ["modes: &a [none]\ndomains: *a", /^FILE is no valid policy: [^\n]*alias[^\n]*$/iu],
])("says of a file like %j in one line what is wrong", (text, words) => {
  const { message, lines } = problemsOf(pathOf(text));
  expect(message).toMatch(words);
  expect(lines).toEqual([]);
});
