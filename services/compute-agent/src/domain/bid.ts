import { type DomainError, timesFitting, type NetworkMode, type NodeEngine, type Reason, type Resources, type Task } from "@skrei/domain";

/** A node's answer to an ask. */
export interface Bid {
  readonly askId: string;
  /** 0 is a refusal. */
  readonly partitions: number;
  /** Why not all, or none. */
  readonly reason: Reason | undefined;
  readonly message: string;
  readonly missingBytes: number;
  readonly isImageMissing: boolean;
  readonly queuedExecutions: number;
}

/** Why a node does not take a task, or takes fewer partitions than asked. */
export interface Refusal {
  readonly reason: Reason;
  readonly message: string;
}

export interface NodeOffer {
  readonly engines: readonly NodeEngine[];
  /** Empty while the proxy has not answered yet. */
  readonly networkModes: readonly NetworkMode[];
  readonly total: Resources;
}

/** Why this node could not run the task even when idle; undefined when it could. */
export function refusalOf(task: Task, node: NodeOffer): Refusal | undefined {
  const engine = node.engines.find(({ name }) => name === task.engine.name);
  if (engine === undefined) return { reason: "ENGINE_MISSING", message: `the node has no ${task.engine.name} engine` };
  if (!engine.isAvailable) return { reason: "ENGINE_UNAVAILABLE", message: `the ${engine.name} engine does not answer: ${engine.message}` };
  const network = refusalOfMode(task.network.mode, node.networkModes);
  if (network !== undefined) return network;
  if (timesFitting(task.resources, node.total, 1) === 0) {
    return { reason: "CAPACITY_TOO_SMALL", message: shortage(task.resources, node.total, "in all") };
  }
  return undefined;
}

/** What another service of the node refused, and what to do about it: a bid has one text for both. */
export function refusalAfter({ reason, message, metadata }: DomainError): Refusal {
  return { reason, message: [message, metadata["hint"] ?? ""].filter((text) => text !== "").join(" ") };
}

/** A task without a network does not wait for a proxy. */
function refusalOfMode(mode: NetworkMode, offered: readonly NetworkMode[]): Refusal | undefined {
  if (offered.includes(mode)) return undefined;
  if (offered.length > 0) {
    return { reason: "NETWORK_MODE_NOT_OFFERED", message: `the node offers network ${offered.join(", ")}, the task asks for ${mode}` };
  }
  return mode === "none" ? undefined : { reason: "DOOR_FAILED", message: "the node's network-proxy has not answered yet" };
}

/** Why fewer partitions than asked fit now; undefined when all do. */
export function shortfallOf(
  task: Task,
  ask: { readonly wanted: number; readonly fitting: number; readonly free: Resources },
): Refusal | undefined {
  if (ask.fitting >= ask.wanted) return undefined;
  const count = ask.fitting === 0 ? "" : `${ask.fitting} of ${ask.wanted} partitions fit: `;
  return { reason: "CAPACITY_BUSY", message: count + shortage(task.resources, ask.free, "free") };
}

/** `needs 2,000 millicpu, the node has 500 free`; names what is short, or all when nothing is. */
function shortage(need: Resources, have: Resources, word: string): string {
  const parts = (Object.keys(UNITS) as (keyof Resources)[])
    .filter((key) => have[key] < need[key])
    .map((key) => `${format(need[key])} ${UNITS[key]}, the node has ${format(Math.max(0, have[key]))} ${word}`);
  if (parts.length > 0) return `a partition needs ${parts.join("; ")}`;
  return `a partition needs ${describe(need)}; the node has ${describe(have)} ${word}`;
}

const UNITS = {
  cpuMillis: "millicpu",
  memoryBytes: "bytes of memory",
  diskBytes: "bytes of disk",
} as const satisfies Record<keyof Resources, string>;

function describe(resources: Resources): string {
  return (Object.keys(UNITS) as (keyof Resources)[]).map((key) => `${format(resources[key])} ${UNITS[key]}`).join(", ");
}

function format(count: number): string {
  return count.toLocaleString("en-US");
}
