import { create } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import type { Job, Network, Node, NodeId } from "@skrei/domain";
import {
  NetworkServiceExplainEgressResponseSchema,
  NetworkServiceExplainEgressResponse_NodeExplanationSchema as NodeExplanationSchema,
} from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type {
  NetworkServiceExplainEgressRequest,
  NetworkServiceExplainEgressResponse,
  NetworkServiceExplainEgressResponse_NodeExplanation as NodeExplanation,
} from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { explanationToProto } from "@skrei/wire/network.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { parseEgressUrl, parseTriedNetwork } from "./egress-request.ts";
import { findJob } from "./find-job.ts";
import { findNode } from "./find-node.ts";

/** What nodes would say to a request, all asked at once; a node that cannot be asked says so in its place. */
export async function explainEgress(
  deps: SchedulerApiDeps,
  request: NetworkServiceExplainEgressRequest,
  signal: AbortSignal,
): Promise<NetworkServiceExplainEgressResponse> {
  const url = parseEgressUrl(request.url);
  const subject = await subjectOf(deps, request);
  const targets = targetsOf(deps, subject, request.nodeId);
  const nodes = await Promise.all(targets.map((target) => askOne(deps, target, { url, network: subject.network, signal })));
  return create(NetworkServiceExplainEgressResponseSchema, { nodes: nodes.toSorted((a, b) => (a.nodeName < b.nodeName ? -1 : 1)) });
}

interface Subject {
  readonly network: Network;
  readonly job: Job | undefined;
}

interface Target {
  readonly node: Node;
  /** One of the job that runs there; empty when none does. */
  readonly executionId: string;
}

async function subjectOf({ store }: SchedulerApiDeps, { jobId, network }: NetworkServiceExplainEgressRequest): Promise<Subject> {
  if (network !== undefined && jobId === "") return { network: parseTriedNetwork(network), job: undefined };
  if (network !== undefined) {
    throw new DomainError("invalid", "FIELD_INVALID", "job_id and network are both set; one of them says what may be reached.");
  }
  if (jobId === "") {
    throw new DomainError("invalid", "FIELD_REQUIRED", "job_id and network are empty; one of them must say what may be reached.");
  }
  const job = await findJob(store, jobId);
  return { network: job.spec.task.network, job };
}

/** The node that is named, else those that run the job, else those that could. */
function targetsOf({ commands }: SchedulerApiDeps, { job, network }: Subject, reference: string): readonly Target[] {
  const executionIds = new Map<NodeId, string>();
  for (const { execution } of job === undefined ? [] : commands.networkedExecutions()) {
    if (execution.jobId !== job?.id) continue;
    if (execution.state === "running" || !executionIds.has(execution.nodeId))
      executionIds.set(execution.nodeId, execution.state === "running" ? execution.id : "");
  }
  const targetOf = (node: Node): Target => ({ node, executionId: executionIds.get(node.id) ?? "" });
  if (reference !== "") return [targetOf(findNode(commands, reference).node)];
  const nodes = commands.nodes().map(({ node }) => node);
  const running = nodes.filter(({ id }) => executionIds.has(id));
  const isOffered = ({ network: { modes } }: Node): boolean => modes.includes(network.mode);
  const able = nodes
    .filter(({ connection, membership }) => connection === "connected" && membership === "approved")
    .toSorted((a, b) => Number(isOffered(b)) - Number(isOffered(a)) || (a.name < b.name ? -1 : 1));
  return (running.length > 0 ? running : able).slice(0, NODES_MAX).map(targetOf);
}

async function askOne(
  { agents }: SchedulerApiDeps,
  { node, executionId }: Target,
  { url, network, signal }: { readonly url: string; readonly network: Network; readonly signal: AbortSignal },
): Promise<NodeExplanation> {
  const { id: nodeId, name: nodeName, session } = node;
  if (node.connection !== "connected")
    return create(NodeExplanationSchema, { nodeId, nodeName, problem: `Node ${nodeName} is not connected.` });
  try {
    const explanation = await agents.explainEgress({ nodeId, session }, { url, network, executionId }, signal);
    return create(NodeExplanationSchema, { nodeId, nodeName, explanation: explanationToProto(explanation) });
  } catch (error) {
    if (signal.aborted || !(error instanceof DomainError)) throw error;
    return create(NodeExplanationSchema, { nodeId, nodeName, problem: error.message });
  }
}

/** More answers than a person reads would only be more of the same. */
const NODES_MAX = 8;
