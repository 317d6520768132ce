import { type CanonicalHost, canonicalAddress } from "@skrei/domain";
import type { OwnAddresses, Resolver } from "../ports.ts";

/**
 * The addresses of the cluster's services as one door knows them, and of this proxy. Looked up again every few seconds, while what
 * was known before serves; a name that cannot be resolved keeps the addresses it had.
 */
export class ReservedAddresses {
  readonly #hosts: readonly CanonicalHost[];
  readonly #resolver: Resolver;
  readonly #ownAddresses: OwnAddresses;
  readonly #byName = new Map<string, readonly string[]>();
  #refreshing: Promise<void> | undefined;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;

  constructor(hosts: readonly CanonicalHost[], known: { readonly resolver: Resolver; readonly ownAddresses: OwnAddresses }) {
    this.#hosts = hosts;
    this.#resolver = known.resolver;
    this.#ownAddresses = known.ownAddresses;
  }

  /** Waits for the first look-up only. Never throws. */
  async current(): Promise<ReadonlySet<string>> {
    const isFirst = this.#refreshedAtMs === Number.NEGATIVE_INFINITY;
    if (performance.now() - this.#refreshedAtMs > REFRESH_MS) this.#refreshing ??= this.#refresh();
    if (isFirst) await this.#refreshing;
    return this.known();
  }

  /** Without looking anything up. */
  known(): ReadonlySet<string> {
    const literals = this.#hosts.flatMap((host) => (host.kind === "address" ? [host.address] : []));
    return new Set([...this.#ownAddresses.current(), ...literals, ...[...this.#byName.values()].flat()]);
  }

  async #refresh(): Promise<void> {
    const names = this.#hosts.flatMap((host) => (host.kind === "name" ? [host.host] : []));
    await Promise.all(names.map((name) => this.#lookUp(name)));
    this.#refreshedAtMs = performance.now();
    this.#refreshing = undefined;
  }

  async #lookUp(name: string): Promise<void> {
    try {
      const addresses = await this.#resolver.resolve(name);
      this.#byName.set(
        name,
        addresses.flatMap((address) => canonicalAddress(address) ?? []),
      );
    } catch {
      // Its last addresses stay closed, and so does the name itself; see `decideTarget`.
    }
  }
}

const REFRESH_MS = 5_000;
