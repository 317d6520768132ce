import { Resolver as DnsResolver } from "node:dns/promises";
import { DomainError } from "@skrei/domain";
import type { Resolver } from "../ports.ts";
import { hostsFile } from "./hosts-file.ts";
import { type LookupAnswer, LookupCache } from "./lookup-cache.ts";

export interface DnsResolverOptions {
  /** Servers of the policy in force; empty: the machine's own. */
  readonly servers: () => readonly string[];
  readonly hostsPath?: string;
}

/** The hosts file, then DNS (c-ares: no search domains, no other sources). Names are remembered no longer than their records say. */
export function createDnsResolver({ servers, hostsPath = "/etc/hosts" }: DnsResolverOptions): Resolver {
  const hosts = hostsFile(hostsPath);
  const cache = new LookupCache();
  let asked: { readonly dns: DnsResolver; readonly servers: string } | undefined;
  const current = (): DnsResolver => {
    const wanted = servers();
    if (asked?.servers === wanted.join()) return asked.dns;
    const dns = new DnsResolver({ timeout: ANSWER_TIMEOUT_MS, tries: TRIES });
    if (wanted.length > 0) dns.setServers(wanted);
    cache.clear();
    asked = { dns, servers: wanted.join() };
    return dns;
  };
  return {
    resolve: async (host) => {
      const listed = hosts.addressesOf(host);
      if (listed.length > 0) return listed;
      const dns = current();
      return await cache.get(host, async () => await lookUp(dns, host));
    },
  };
}

const ANSWER_TIMEOUT_MS = 1_500;
const TRIES = 2;

async function lookUp(dns: DnsResolver, host: string): Promise<LookupAnswer> {
  // A query with a final dot is never completed by anybody.
  const name = `${host}.`;
  const [ipv4, ipv6] = await Promise.allSettled([dns.resolve4(name, { ttl: true }), dns.resolve6(name, { ttl: true })]);
  const records = [...(ipv4.status === "fulfilled" ? ipv4.value : []), ...(ipv6.status === "fulfilled" ? ipv6.value : [])];
  if (records.length > 0) {
    return { addresses: records.map(({ address }) => address), ttlSeconds: Math.min(...records.map(({ ttl }) => ttl)) };
  }
  const cause: unknown = ipv4.status === "rejected" ? ipv4.reason : undefined;
  throw unresolved(host, cause);
}

function unresolved(host: string, cause: unknown): DomainError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const isUnknown = code === "ENOTFOUND" || code === "ENODATA" || code === "";
  const message = isUnknown ? `${host} has no address.` : `The name server did not say what ${host} is (${code}).`;
  const hint = isUnknown ? "Check the spelling of the name." : "Try again; the node's operator can set dnsServers.";
  return new DomainError("unavailable", "EGRESS_NAME_UNRESOLVED", message, { hint, cause });
}
