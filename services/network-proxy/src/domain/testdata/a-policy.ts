import { parseAddressNetwork, parseHostRule } from "@skrei/domain";
import type { AddressNetwork, HostRule, NetworkMode } from "@skrei/domain";

export interface PolicyTexts {
  readonly modes?: readonly NetworkMode[];
  readonly ports?: readonly number[];
  readonly domains?: readonly string[];
  readonly allowedNetworks?: readonly string[];
  readonly deniedNetworks?: readonly string[];
  readonly deniedDomains?: readonly string[];
}

const LIMITS = {
  rateBitsPerSecond: 10_000_000,
  egressBytesMax: 0,
  connectionsMax: 256,
  headerTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  totalTimeoutMs: 0,
};

type PolicyLists = Record<"domains" | "deniedDomains", readonly HostRule[]> &
  Record<"allowedNetworks" | "deniedNetworks", readonly AddressNetwork[]> &
  Required<Pick<PolicyTexts, "modes" | "ports">>;

/** A policy that offers every mode and lists nothing. */
export function aPolicy(texts: PolicyTexts = {}): PolicyLists & typeof LIMITS {
  return {
    ...LIMITS,
    modes: texts.modes ?? ["none", "http", "full"],
    ports: texts.ports ?? [80, 443],
    domains: rules(texts.domains),
    deniedDomains: rules(texts.deniedDomains),
    allowedNetworks: networks(texts.allowedNetworks),
    deniedNetworks: networks(texts.deniedNetworks),
  };
}

function rules(texts: readonly string[] = []): readonly HostRule[] {
  return texts.map(parseHostRule);
}

function networks(texts: readonly string[] = []): readonly AddressNetwork[] {
  return texts.flatMap((text) => parseAddressNetwork(text) ?? []);
}
