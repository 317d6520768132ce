import { DomainError } from "@skrei/domain";
import { NETWORK_MODE_TO_PROTO } from "@skrei/wire/network.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { listFlag, valueFlag } from "../flags.ts";
import type { FlagValues } from "../flags.ts";
import type { NetworkInit } from "../job-file/job-draft.ts";
import { parseBytes } from "../parse/parse-bytes.ts";
import { parseDomains, parseNetwork } from "../parse/parse-network.ts";
import type { NetworkArgument } from "../parse/parse-network.ts";

/** What may be reached. */
export const LIST_FLAGS = {
  network: listFlag("MODE|HOSTS", "what may be reached: none (the default), http, full, or hosts: api.example.com,.b.org", parseNetwork, {
    isCommon: true,
    choices: ["none", "http", "full"],
  }),
  net: listFlag("MODE|HOSTS", "the same as --network", parseNetwork, { isHidden: true }),
  domain: listFlag("HOST", "a host to reach by HTTP(S); .example.com is it and all below", parseDomains),
} as const;

export const NETWORK_FLAGS = {
  ...LIST_FLAGS,
  "egress-max": valueFlag("SIZE", "bytes that one attempt may send out: 10MB, 1GiB", parseBytes),
} as const;

type NetworkFlags = FlagValues<typeof LIST_FLAGS> & { readonly "egress-max"?: number | undefined };

/**
 * The network that flags ask for, over the one of a job file: hosts of --network replace its list, those of --domain are added to it.
 * @throws DomainError invalid/FIELD_INVALID when they contradict each other.
 */
export function networkOfFlags(flags: NetworkFlags, base: NetworkInit = { mode: Network_Mode.NONE }): NetworkInit {
  const given = givenNetwork(flags);
  const added = flags.domain.flat();
  const mode = modeOf(given, added, base);
  if (mode !== Network_Mode.HTTP) {
    refuseListFlags(flags);
    return given === undefined ? base : { mode };
  }
  const domains = [...listOf(given, base), ...added];
  if (domains.length === 0) throw contradiction("the network http needs a list of hosts", "Give --network api.example.com, or --domain.");
  return { mode, domains, egressBytesMax: BigInt(flags["egress-max"] ?? base.egressBytesMax ?? 0) };
}

function refuseListFlags({ domain, "egress-max": egressMax }: NetworkFlags): void {
  if (domain.length > 0) throw contradiction("--domain goes with http, not with full or none", "Leave out one of --network and --domain.");
  if (egressMax !== undefined)
    throw contradiction("--egress-max goes with http: it is the proxy that counts", "Add --network HOST, or leave it out.");
}

function listOf(given: NetworkArgument | undefined, base: NetworkInit): readonly string[] {
  return given !== undefined && given.domains.length > 0 ? given.domains : (base.domains ?? []);
}

/** All that is given in one; hosts are added up. */
function givenNetwork({ network, net }: NetworkFlags): NetworkArgument | undefined {
  const given = [...network, ...net];
  const [first] = given;
  const other = given.find(({ mode }) => mode !== first?.mode);
  if (first === undefined) return undefined;
  if (other !== undefined) throw contradiction(`--network asks for ${first.mode} and for ${other.mode}`, "Give one mode, or hosts alone.");
  return { mode: first.mode, domains: given.flatMap(({ domains }) => domains) };
}

function modeOf(given: NetworkArgument | undefined, added: readonly string[], base: NetworkInit): Network_Mode {
  if (given !== undefined) return NETWORK_MODE_TO_PROTO[given.mode];
  const isNone = base.mode === undefined || base.mode === Network_Mode.UNSPECIFIED || base.mode === Network_Mode.NONE;
  return isNone && added.length > 0 ? Network_Mode.HTTP : (base.mode ?? Network_Mode.NONE);
}

function contradiction(what: string, hint: string): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `${what}.`, { hint });
}
