import type { Transport } from "@connectrpc/connect";
import { DomainError, parseExecutionId, type NodeId } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { explanationFromProto, networkToProto, networkUseFromProto, nodeNetworkFromProto } from "@skrei/wire/network.ts";
import type { DoorPort } from "../ports.ts";

export interface ProxyClientOptions {
  /** Whose doors these are. */
  readonly nodeId: NodeId;
  /** URLs of the cluster's own services; resolves once the node knows all of them. */
  readonly clusterUrls: (signal: AbortSignal) => Promise<readonly string[]>;
}

/** The node's network-proxy over a Connect transport. */
export function createProxyClient(transport: Transport, { nodeId, clusterUrls }: ProxyClientOptions): DoorPort {
  const client = createClient(DoorService, transport);
  return {
    policy: async (signal) => nodeNetworkFromProto((await client.getNetworkPolicy({}, { signal })).network),
    check: async (network, signal) => {
      await client.checkNetwork({ network: networkToProto(network) }, { signal });
    },
    open: async (executionId, network, signal) => {
      const within = AbortSignal.any([signal, AbortSignal.timeout(OPEN_TIMEOUT_MS)]);
      try {
        const urls = await clusterUrls(within);
        const request = { executionId, network: networkToProto(network), owner: nodeId, clusterUrls: [...urls] };
        const { env, socketPath, credential, deniedNetworks } = await client.openDoor(request, { signal: within });
        return { mode: network.mode, env: { ...env }, socketPath, credential, deniedNetworks: [...deniedNetworks] };
      } catch (error) {
        signal.throwIfAborted();
        throw doorFailure(within.aborted ? new Error(`it took longer than ${OPEN_TIMEOUT_MS} ms`, { cause: error }) : error);
      }
    },
    close: async (executionId) => {
      const { use } = await client.closeDoor({ executionId });
      return use === undefined ? undefined : networkUseFromProto(use);
    },
    list: async (signal) => {
      const { doors } = await client.listDoors({ owner: nodeId }, { signal });
      return doors.map(({ executionId }) => parseExecutionId(executionId)).filter((id) => id !== undefined);
    },
    watch: async function* (signal) {
      for await (const { doors } of client.watchDoors({ owner: nodeId }, { signal })) {
        for (const door of doors) {
          const executionId = parseExecutionId(door.executionId);
          if (executionId !== undefined && door.use !== undefined) yield { executionId, use: networkUseFromProto(door.use) };
        }
      }
      throw new DomainError("unavailable", "UNREACHABLE", "the network-proxy ended the watch of its doors");
    },
    explain: async ({ url, network, executionId }, signal) => {
      const within = AbortSignal.any([signal, AbortSignal.timeout(EXPLAIN_TIMEOUT_MS)]);
      const urls = await clusterUrls(within);
      const request = { url, network: networkToProto(network), executionId, owner: nodeId, clusterUrls: [...urls] };
      const { explanation } = await client.explainEgress(request, { signal: within });
      if (explanation !== undefined) return explanationFromProto(explanation);
      throw new DomainError("unavailable", "INTERNAL_ERROR", "the network-proxy gave no explanation");
    },
  };
}

/** A clear no of the proxy stays as it is; everything else is a door that could not be had. */
function doorFailure(error: unknown): DomainError {
  if (error instanceof DomainError && (error.kind === "precondition" || error.kind === "invalid" || error.reason === "DOOR_FAILED")) {
    return error;
  }
  const detail = error instanceof Error ? `: ${error.message}` : "";
  return new DomainError("unavailable", "DOOR_FAILED", `the node's network-proxy did not open the door${detail}`, {
    hint: "see whether the network-proxy of the node runs",
    cause: error,
  });
}

const OPEN_TIMEOUT_MS = 10_000;
/** A resolver may be slow. */
const EXPLAIN_TIMEOUT_MS = 10_000;
