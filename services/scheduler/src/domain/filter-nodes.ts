import { describeConstraint, satisfies, timesFitting } from "@skrei/domain";
import type { Constraint, EngineName, JobSpec, NetworkMode, Node, Reason, Resources } from "@skrei/domain";
import { describeShortage } from "./describe-resources.ts";

/** What a node must offer, whatever its load. */
export interface Demand {
  readonly constraints: readonly Constraint[];
  readonly engine: EngineName;
  readonly networkMode: NetworkMode;
  readonly resources: Resources;
}

/** A node and what is free on it by the scheduler's books. */
export interface NodeSnapshot {
  readonly node: Node;
  readonly free: Resources;
}

/** Why a node does not take a task. */
export interface Refusal {
  readonly reason: Reason;
  readonly message: string;
}

export function demandOf(spec: JobSpec): Demand {
  const { constraints, task } = spec;
  return { constraints, engine: task.engine.name, networkMode: task.network.mode, resources: task.resources };
}

/** The first reason why the node cannot take one more execution now, or undefined when it can. */
export function firstRefusal(demand: Demand, snapshot: NodeSnapshot): Refusal | undefined {
  for (const filter of FILTERS) {
    const refusal = filter(demand, snapshot);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Everything but the load: may this node be offered the task as it stands? */
export function isEligible(demand: Omit<Demand, "resources">, node: Node): boolean {
  if (node.connection !== "connected" || node.membership !== "approved" || node.isDraining) return false;
  return (
    engineOf(node, demand.engine)?.isAvailable === true &&
    isModeOffered(demand, node) &&
    demand.constraints.every((constraint) => satisfies(constraint, node.labels))
  );
}

/** Could the node ever take the task: connected, approved, idle and with its engine answering? */
export function fitsWhenIdle({ constraints, engine, networkMode, resources }: Demand, node: Node): boolean {
  const isEngineThere = engineOf(node, engine) !== undefined && isModeOffered({ networkMode }, node);
  const isOffered = isEngineThere && constraints.every((constraint) => satisfies(constraint, node.labels));
  return isOffered && node.membership !== "rejected" && timesFitting(resources, node.capacity, 1) === 1;
}

type NodeFilter = (demand: Demand, snapshot: NodeSnapshot) => Refusal | undefined;

/** What nobody can change first, what changes by itself last: the first refusal is the one people see. */
const FILTERS: readonly NodeFilter[] = [
  (_, { node }) =>
    node.connection === "connected" ? undefined : { reason: "NODE_NOT_CONNECTED", message: `node ${node.name} does not answer` },
  (_, { node }) =>
    node.membership === "approved" ? undefined : { reason: "NODE_NOT_APPROVED", message: `node ${node.name} is ${node.membership}` },
  (_, { node }) => (node.isDraining ? { reason: "NODE_DRAINING", message: `node ${node.name} is draining` } : undefined),
  refuseConstraint,
  refuseEngine,
  refuseNetworkMode,
  ({ resources }, { node }) =>
    timesFitting(resources, node.capacity, 1) === 1
      ? undefined
      : { reason: "CAPACITY_TOO_SMALL", message: describeShortage(resources, node.capacity, "in all") },
  ({ resources }, { free }) =>
    timesFitting(resources, free, 1) === 1 ? undefined : { reason: "CAPACITY_BUSY", message: describeShortage(resources, free, "free") },
];

function refuseConstraint({ constraints }: Demand, { node }: NodeSnapshot): Refusal | undefined {
  const unmet = constraints.find((constraint) => !satisfies(constraint, node.labels));
  if (unmet === undefined) return undefined;
  const value = Object.hasOwn(node.labels, unmet.key) ? `"${node.labels[unmet.key] ?? ""}"` : "absent";
  return { reason: "CONSTRAINT_UNMET", message: `wants ${describeConstraint(unmet)}, the label is ${value}` };
}

function refuseEngine({ engine }: Demand, { node }: NodeSnapshot): Refusal | undefined {
  const offered = engineOf(node, engine);
  if (offered === undefined) return { reason: "ENGINE_MISSING", message: `no ${engine} engine` };
  if (offered.isAvailable) return undefined;
  return {
    reason: "ENGINE_UNAVAILABLE",
    message: `the ${engine} engine does not answer${offered.message === "" ? "" : `: ${offered.message}`}`,
  };
}

function refuseNetworkMode(demand: Demand, { node }: NodeSnapshot): Refusal | undefined {
  if (isModeOffered(demand, node)) return undefined;
  const modes = node.network.modes.length === 0 ? "no mode" : node.network.modes.join(", ");
  return { reason: "NETWORK_MODE_NOT_OFFERED", message: `wants network ${demand.networkMode}, the node offers ${modes}` };
}

/** What the node's proxy told last. Lists are judged there, when the node is asked; so is a task without a network, which every node takes. */
function isModeOffered({ networkMode }: Pick<Demand, "networkMode">, { network }: Node): boolean {
  return networkMode === "none" || network.modes.includes(networkMode);
}

function engineOf(node: Node, name: EngineName): Node["engines"][number] | undefined {
  return node.engines.find((engine) => engine.name === name);
}
