import { readFileSync, statSync } from "node:fs";
import { canonicalAddress, canonicalHost } from "@skrei/domain";

export interface HostsFile {
  /** Empty when the name is not listed. */
  addressesOf(host: string): readonly string[];
}

/** `/etc/hosts`, read again when it has changed. A file that cannot be read lists nothing. */
export function hostsFile(path: string): HostsFile {
  let entries: ReadonlyMap<string, readonly string[]> = new Map();
  let stamp = "";
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  const refresh = (): void => {
    if (performance.now() - checkedAtMs < CHECK_MS) return;
    checkedAtMs = performance.now();
    const stats = statSync(path, { throwIfNoEntry: false });
    const newStamp = stats === undefined ? "" : `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
    if (newStamp === stamp) return;
    entries = newStamp === "" ? new Map() : parseHosts(readFileSync(path, "utf8"));
    stamp = newStamp;
  };
  return {
    addressesOf: (host) => {
      try {
        refresh();
      } catch {
        entries = new Map(); // It went away in between; DNS is asked instead.
      }
      return entries.get(host) ?? [];
    },
  };
}

const CHECK_MS = 1_000;

function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const entries = new Map<string, readonly string[]>();
  for (const line of text.split("\n")) {
    const [first = "", ...names] = (line.split("#", 1)[0] ?? "").trim().split(/\s+/u);
    const address = canonicalAddress(first);
    if (address === undefined) continue;
    for (const name of names) {
      const host = canonicalHost(name);
      if (host?.kind === "name") entries.set(host.host, [...(entries.get(host.host) ?? []), address]);
    }
  }
  return entries;
}
