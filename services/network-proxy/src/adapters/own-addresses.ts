import { networkInterfaces } from "node:os";
import { canonicalAddress } from "@skrei/domain";
import type { OwnAddresses } from "../ports.ts";

/** Those of the machine's (or container's) interfaces. Loopback is a class of its own, which an operator may list. */
export function interfaceAddresses(): OwnAddresses {
  let known: ReadonlySet<string> = new Set();
  let readAtMs = Number.NEGATIVE_INFINITY;
  return {
    current: () => {
      if (performance.now() - readAtMs < REFRESH_MS) return known;
      readAtMs = performance.now();
      known = new Set(
        Object.values(networkInterfaces())
          .flat()
          .flatMap((entry) => (entry === undefined || entry.internal ? [] : (canonicalAddress(entry.address) ?? []))),
      );
      return known;
    },
  };
}

/** Reading them for each request would cost more than deciding. */
const REFRESH_MS = 5_000;
