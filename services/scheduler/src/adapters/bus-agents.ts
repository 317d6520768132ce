import type { Client } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import type { Bus } from "@skrei/platform/bus.ts";
import { createClient } from "@skrei/platform/client.ts";
import { AgentControlService } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { askBatchToProto, bidsFromProto } from "@skrei/wire/ask.ts";
import { assignmentSetToProto } from "@skrei/wire/assignment.ts";
import { cacheStateFromProto, storeStateFromProto } from "@skrei/wire/data-state.ts";
import { explanationFromProto, networkToProto } from "@skrei/wire/network.ts";
import { logChunkFromProto, logQueryToProto } from "@skrei/wire/log-chunk.ts";
import type { AgentAddress, AgentPort } from "../ports.ts";

/** The agents at their addresses on the bus. */
export function createBusAgents(bus: Bus): AgentPort {
  const clients = new Map<string, Client<typeof AgentControlService>>();
  const clientOf = ({ nodeId }: AgentAddress): Client<typeof AgentControlService> => {
    const known = clients.get(nodeId);
    if (known !== undefined) return known;
    if (clients.size >= CLIENTS_MAX) clients.clear();
    const client = createClient(AgentControlService, bus.transport({ kind: "node", nodeId }));
    clients.set(nodeId, client);
    return client;
  };
  return {
    ask: async (node, asks, bidWindowMs, signal) => {
      const request = askBatchToProto({ session: node.session, asks, bidWindowMs });
      return bidsFromProto(await clientOf(node).ask(request, { signal, timeoutMs: bidWindowMs + LATE_ANSWER_MS }));
    },
    assign: async (node, set, signal) => {
      const { appliedToken } = await clientOf(node).assign(assignmentSetToProto(node.session, set), {
        signal,
        timeoutMs: ASSIGN_TIMEOUT_MS,
      });
      return appliedToken;
    },
    explainEgress: async (node, { url, network, executionId }, signal) => {
      const request = { session: node.session, url, network: networkToProto(network), executionId };
      const { explanation } = await clientOf(node).explainEgress(request, { signal, timeoutMs: EXPLAIN_TIMEOUT_MS });
      if (explanation === undefined)
        throw new DomainError("unavailable", "UNREACHABLE", `Node ${node.nodeId} answered without an explanation.`);
      return explanationFromProto(explanation);
    },
    describeData: async ({ nodeId, session }, signal) => {
      const { cache, store } = await clientOf({ nodeId, session }).describeData({ session }, { signal, timeoutMs: DESCRIBE_TIMEOUT_MS });
      return {
        cache: cache === undefined ? undefined : cacheStateFromProto(cache),
        store: store === undefined ? undefined : storeStateFromProto(store),
      };
    },
    streamLogs: async function* (node, query, signal) {
      for await (const chunk of clientOf(node).streamExecutionLogs(logQueryToProto(query), { signal })) yield logChunkFromProto(chunk);
    },
  };
}

/** An answer after the window is of use still: the offer in it is given back. */
const LATE_ANSWER_MS = 1_000;
const ASSIGN_TIMEOUT_MS = 5_000;
/** A resolver that does not answer is given up by the node's proxy before that. */
const EXPLAIN_TIMEOUT_MS = 10_000;
/** Somebody looks at a list of nodes and waits. */
const DESCRIBE_TIMEOUT_MS = 2_000;
/** Clients hold nothing but a function or two; the bound is for clusters whose nodes come and go for years. */
const CLIENTS_MAX = 50_000;
