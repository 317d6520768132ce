import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { DomainError, formatHostRule, parseAddressNetwork, parseHostRule } from "@skrei/domain";
import { loadConfig } from "@skrei/platform/config.ts";
import { PolicyFile, type PolicyFields } from "../config.ts";
import type { NetworkPolicy } from "../domain/network-policy.ts";
import type { LoadedPolicy, PolicySource } from "../ports.ts";

/** The policy that the service's own settings spell out; it never changes. */
export function fixedPolicy(settings: PolicyFields): PolicySource {
  const fields = PolicyFile.strip().parse(settings);
  return { read: () => loadedPolicy(fields), stamp: async () => "" };
}

/** The policy in a YAML file with the keys of `PolicyFile`. */
export function policyFile(path: string): PolicySource {
  return {
    read: () => {
      try {
        checkFile(path);
        return loadedPolicy(loadConfig(PolicyFile, { service: "network-proxy", env: {}, argv: [], files: [path] }).config);
      } catch (error) {
        const violations = error instanceof DomainError ? error.violations : [];
        const problem = violations.length === 0 && error instanceof Error ? `: ${error.message}` : "";
        throw new DomainError("invalid", "CONFIG_INVALID", `${path} is no valid policy${problem}`, { violations, cause: error });
      }
    },
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

/** A pipe would be waited for, a large file stops everything while it is parsed, and an empty one has only begun to be written. */
function checkFile(path: string): void {
  const info = statSync(path, { throwIfNoEntry: false });
  // Others say by being read what is wrong with them.
  if (info === undefined || info.isDirectory()) return;
  if (!info.isFile()) throw new Error("it is no file");
  if (info.size > FILE_BYTES_MAX) throw new Error(`it has ${info.size} bytes, ${FILE_BYTES_MAX} are the most`);
  if (info.size === 0) throw new Error("it is empty; one that offers nothing says `modes: [none]`");
}

/** About 40,000 names. */
const FILE_BYTES_MAX = 1024 * 1024;

function loadedPolicy(fields: PolicyFields): LoadedPolicy {
  const { domains: texts, allowedNetworks, deniedNetworks, deniedDomains, dnsServers, ...plain } = fields;
  const domains = texts.map(parseHostRule);
  const policy: NetworkPolicy = {
    ...plain,
    domains,
    deniedDomains: deniedDomains.map(parseHostRule),
    allowedNetworks: allowedNetworks.flatMap((text) => parseAddressNetwork(text) ?? []),
    deniedNetworks: deniedNetworks.flatMap((text) => parseAddressNetwork(text) ?? []),
  };
  const digest = createHash("sha256").update(JSON.stringify(fields)).digest("hex").slice(0, 16);
  return { policy, domains: domains.map(formatHostRule), dnsServers, digest };
}
