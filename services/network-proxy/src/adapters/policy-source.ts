import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { formatHostRule, parseAddressNetwork, parseHostRule } from "@skrei/domain";
import { PolicyFile, type PolicyFields } from "../config.ts";
import type { NetworkPolicy } from "../domain/network-policy.ts";
import type { LoadedPolicy, PolicySource } from "../ports.ts";
import { readPolicyFile } from "./read-policy-file.ts";

/** The policy that the service's own settings spell out; it never changes. */
export function fixedPolicy(settings: PolicyFields): PolicySource {
  const fields = PolicyFile.strip().parse(settings);
  return { read: () => loadedPolicy(fields), stamp: async () => "" };
}

/** The policy in a YAML file with the keys of `PolicyFile`. */
export function policyFile(path: string): PolicySource {
  return {
    read: () => loadedPolicy(readPolicyFile(path)),
    stamp: async () => {
      try {
        const { mtimeMs, ino, size } = await stat(path);
        return `${ino}:${size}:${mtimeMs}`;
      } catch {
        return "unreadable"; // Why is said by reading it.
      }
    },
  };
}

function loadedPolicy(fields: PolicyFields): LoadedPolicy {
  const { domains: texts, allowedNetworks, deniedNetworks, deniedDomains, dnsServers, ...plain } = fields;
  const domains = texts.map(parseHostRule);
  const policy: NetworkPolicy = {
    ...plain,
    // What needs no network runs anywhere.
    modes: [...new Set(["none" as const, ...plain.modes])],
    domains,
    deniedDomains: deniedDomains.map(parseHostRule),
    allowedNetworks: allowedNetworks.flatMap((text) => parseAddressNetwork(text) ?? []),
    deniedNetworks: deniedNetworks.flatMap((text) => parseAddressNetwork(text) ?? []),
  };
  const digest = createHash("sha256").update(JSON.stringify(fields)).digest("hex").slice(0, 16);
  return { policy, domains: domains.map(formatHostRule), dnsServers, digest };
}
