import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError, formatHostRule, type Network, type NodeNetwork, parseExecutionId, parseHostRule } from "@skrei/domain";
import {
  type DoorService,
  type ListDoorsResponse_Door,
  ListDoorsResponse_DoorSchema,
} from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import type { Network as PbNetwork } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import {
  explanationToProto,
  networkFromProto,
  networkToProto,
  networkUseToProto,
  nodeNetworkToProto,
  NETWORK_MODE_TO_PROTO,
} from "@skrei/wire/network.ts";
import { modeNotOffered, refusalOf } from "../domain/network-policy.ts";
import type { Doors } from "../loops/doors.ts";
import { type ExplainParts, explainEgress } from "../loops/explain-egress.ts";
import { doorAccess } from "../loops/door-access.ts";
import type { PolicyWatch } from "../loops/policy-watch.ts";
import type { DoorState } from "../ports.ts";

export interface DoorParts extends ExplainParts {
  readonly doors: Doors;
  readonly policy: PolicyWatch;
  /** Aborts when the service stops. */
  readonly signal: AbortSignal;
}

/** DoorService: what executions of this node may reach. */
export function doorHandlers(parts: DoorParts): ServiceImpl<typeof DoorService> {
  return {
    getNetworkPolicy: () => {
      const network = nodeNetwork(parts.policy);
      return { modes: network.modes.map((mode) => NETWORK_MODE_TO_PROTO[mode]), network: nodeNetworkToProto(network) };
    },
    checkNetwork: ({ network }) => {
      const refusal = refusalOf(parts.policy.policy, knownNetwork(parts.policy, network));
      if (refusal !== undefined) throw refusal;
      return {};
    },
    openDoor: async ({ executionId, network, owner, clusterUrls }) => {
      const asked = { executionId: checkExecutionId(executionId), network: knownNetwork(parts.policy, network), owner, clusterUrls };
      const { env, socketPath, credential, deniedNetworks } = await doorAccess(await parts.doors.open(asked), parts.policy.policy);
      return { env: { ...env }, socketPath, credential, deniedNetworks: [...deniedNetworks] };
    },
    closeDoor: async ({ executionId }) => {
      const door = await parts.doors.close(executionId);
      return door === undefined || door.record.network.mode === "none" ? {} : { use: networkUseToProto(door.count.use) };
    },
    listDoors: ({ owner }) => ({ doors: parts.doors.list(owner).map(doorToProto) }),
    watchDoors: async function* ({ owner }, context) {
      const signal = AbortSignal.any([context.signal, parts.signal]);
      for await (const doors of parts.doors.watch(owner, signal)) yield { doors: doors.map(doorToProto) };
    },
    explainEgress: async ({ network, ...question }) => {
      const asked = { ...question, network: knownNetwork(parts.policy, network) };
      return { explanation: explanationToProto(await explainEgress(parts, asked)) };
    },
  };
}

/** Of domains, and of ports. */
const TOLD_MAX = 32;

function nodeNetwork({ loaded, problem }: PolicyWatch): NodeNetwork {
  const { policy, domains, digest } = loaded;
  const { modes, ports, rateBitsPerSecond, egressBytesMax, connectionsMax } = policy;
  return {
    modes,
    domains: domains.slice(0, TOLD_MAX),
    domainCount: domains.length,
    policyDigest: digest,
    problem,
    ports: ports.slice(0, TOLD_MAX),
    rateBitsPerSecond,
    egressBytesMax,
    connectionsMax,
  };
}

/** In trusted form, with the list in canonical spelling. */
function knownNetwork({ policy }: PolicyWatch, pb: PbNetwork | undefined): Network {
  const network = networkFromProto(pb);
  if (network === undefined) throw modeNotOffered(policy, `number ${pb?.mode}`);
  return { ...network, domains: network.domains.map((domain) => formatHostRule(parseHostRule(domain))) };
}

function doorToProto({ executionId, owner, network, use, connections, openedAtMs }: DoorState): ListDoorsResponse_Door {
  return create(ListDoorsResponse_DoorSchema, {
    executionId,
    owner,
    network: networkToProto(network),
    ...(network.mode !== "none" && { use: networkUseToProto(use) }),
    connections,
    openTime: timestampFromMs(openedAtMs),
  });
}

function checkExecutionId(executionId: string): string {
  if (parseExecutionId(executionId) !== undefined) return executionId;
  throw new DomainError("invalid", "FIELD_INVALID", `"${executionId.slice(0, 64)}" is not an execution id.`, {
    hint: "Execution ids look like e-01k…, 28 characters.",
  });
}
