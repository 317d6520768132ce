import { DomainError, addResources, NO_RESOURCES } from "@skrei/domain";
import type { Execution, ExecutionId, Job, JobEvent, JobId, Node, NodeId, Reason, Resources } from "@skrei/domain";
import { AssignmentChain } from "../domain/assignment-chain.ts";
import { DataPlaces } from "../domain/data-places.ts";
import type { Deadline } from "../domain/deadlines.ts";
import type { Demand, NodeSnapshot, Refusal } from "../domain/filter-nodes.ts";
import { demandOf } from "../domain/filter-nodes.ts";
import { JobQueue } from "../domain/job-queue.ts";
import type { QueueClass, QueuedJob } from "../domain/job-queue.ts";
import { NodeIndex, shapeOf } from "../domain/node-index.ts";
import { PartitionTable } from "../domain/partition-table.ts";
import type { Assignment, RequestRecord } from "../ports.ts";
import { ChangeSet } from "./change-set.ts";
import { NetworkedExecutions } from "./networked-executions.ts";

/** A job that has not ended, or that ended while executions of it have not. */
export interface JobEntry {
  job: Job;
  table: PartitionTable;
  readonly demand: Demand;
  readonly queueClass: QueueClass;
  /** The place of this version in the queue. */
  queued: QueuedJob;
  readonly specBytes: number;
  /** Executions of any version that have not ended. */
  readonly executionIds: Set<ExecutionId>;
  /** Bids are being collected. */
  isAsking: boolean;
  /** What nodes answered lately, and until when they are not asked again. */
  readonly refusals: Map<NodeId, Refusal & { readonly untilMs: number; readonly count: number }>;
  /** An execution of this version began to run. */
  hasStarted: boolean;
  /** Limits of this version that are not over. */
  deadlines: readonly Deadline[];
}

export interface NodeEntry {
  node: Node;
  readonly slot: number;
  heartbeatAtMs: number;
  hasHeartbeat: boolean;
  /** The agent knows its session: it used it. Before that it cannot be asked or told anything. */
  isPresent: boolean;
  readonly executionIds: Set<ExecutionId>;
  /** Jobs that this node refused; they may be woken by it. */
  readonly refusedJobIds: Set<JobId>;
  chain: AssignmentChain<Assignment>;
  /** The next complete report counts; set at a join and when one was asked for. */
  awaitsCompleteReport: boolean;
  /** What the last heartbeat said when it did not agree with our books. */
  mismatch: string;
  mismatchAtMs: number;
  /** A message to it is due soon that only gives reservations back. */
  isFlushDue: boolean;
  /** Failed assign messages in a row. */
  assignFailures: number;
}

/** What the event says besides what changed. */
export type EventDetails = Pick<JobEvent, "reason" | "message">;

/** The leader's memory: everything that has not ended, and what is not committed yet. Every change goes through here. */
export class LiveState {
  readonly jobs = new Map<JobId, JobEntry>();
  readonly executions = new Map<ExecutionId, Execution>();
  readonly nodes = new Map<NodeId, NodeEntry>();
  readonly index = new NodeIndex();
  readonly queue = new JobQueue();
  /** When executions that run are over their time. */
  readonly executionDeadlines = new Map<ExecutionId, Deadline>();
  /** Reasons for which data of an execution waited. */
  readonly #delays = new Map<ExecutionId, Set<Reason>>();
  /** Executions whose room on their node others may have. */
  readonly #roomless = new Set<ExecutionId>();
  readonly dataPlaces = new DataPlaces();
  readonly networked = new NetworkedExecutions(this.jobs);
  readonly changes: ChangeSet;
  readonly #tokenPrefix: string;
  readonly #nowMs: () => number;
  #order = 0;

  constructor(options: { term: number; lastSequence: number; nowMs: () => number }) {
    this.changes = new ChangeSet(options.lastSequence, options.nowMs);
    this.#tokenPrefix = String(options.term);
    this.#nowMs = options.nowMs;
  }

  addJob(job: Job): JobEntry {
    const demand = demandOf(job.spec);
    const queueClass = this.queue.classOf(shapeOf(demand), demand.resources);
    const entry: JobEntry = {
      job,
      table: new PartitionTable(job.spec.count, job.spec.retry),
      demand,
      queueClass,
      queued: this.#placeInQueue(job, queueClass),
      specBytes: JSON.stringify(job.spec).length,
      executionIds: new Set(),
      isAsking: false,
      refusals: new Map(),
      hasStarted: false,
      deadlines: [],
    };
    this.jobs.set(job.id, entry);
    return entry;
  }

  /** Begins the entry's next version. */
  restartJob(entry: JobEntry): void {
    entry.table = new PartitionTable(entry.job.spec.count, entry.job.spec.retry);
    this.queue.remove(entry.queued);
    entry.queued = this.#placeInQueue(entry.job, entry.queueClass);
    entry.refusals.clear();
    entry.isAsking = false;
    entry.hasStarted = false;
  }

  #placeInQueue({ id, spec }: Job, queueClass: QueueClass): QueuedJob {
    return { id, priority: spec.priority, order: ++this.#order, queueClass, isQueued: false };
  }

  addNode(node: Node): NodeEntry {
    const entry: NodeEntry = {
      node,
      slot: this.index.upsert(node),
      heartbeatAtMs: this.#nowMs(),
      hasHeartbeat: false,
      // Nodes that an earlier leader knew are there until they stay silent.
      isPresent: true,
      executionIds: new Set(),
      refusedJobIds: new Set(),
      chain: this.newChain(node),
      awaitsCompleteReport: true,
      mismatch: "",
      mismatchAtMs: 0,
      isFlushDue: false,
      assignFailures: 0,
    };
    this.nodes.set(node.id, entry);
    return entry;
  }

  newChain(node: Node): AssignmentChain<Assignment> {
    return new AssignmentChain(`${this.#tokenPrefix}.${String(node.epoch)}`);
  }

  /** Takes an execution that has not ended onto the books of its node and job. */
  holdExecution(execution: Execution, isReserved: boolean): void {
    this.executions.set(execution.id, execution);
    const job = this.jobs.get(execution.jobId);
    const node = this.nodes.get(execution.nodeId);
    job?.executionIds.add(execution.id);
    node?.executionIds.add(execution.id);
    if (job === undefined || node === undefined) return;
    if (!isReserved) this.index.reserve(node.slot, job.demand.resources, 1);
    this.freeRoom(execution);
  }

  /** A node gives the room of a result that is on its way to others. Gives back the node whose room that is, the first time. */
  freeRoom(execution: Execution): NodeEntry | undefined {
    const { id, jobId, nodeId, state, transfer } = execution;
    // Not by the state alone, so that a node which clears away after a run is not asked before it is ready.
    if (state !== "publishing" || transfer === undefined || !this.executions.has(id) || this.#roomless.has(id)) return undefined;
    const job = this.jobs.get(jobId);
    const node = this.nodes.get(nodeId);
    if (job === undefined || node === undefined) return undefined;
    this.#roomless.add(id);
    this.index.release(node.slot, job.demand.resources, 1);
    return node;
  }

  /** False when the execution had waited for this reason before. */
  noteDelay(executionId: ExecutionId, reason: Reason): boolean {
    const known = this.#delays.get(executionId) ?? new Set();
    if (known.has(reason)) return false;
    this.#delays.set(executionId, known.add(reason));
    return true;
  }

  /** Takes an ended one off the books. */
  dropExecution(execution: Execution): void {
    this.#delays.delete(execution.id);
    if (!this.executions.delete(execution.id)) return;
    const job = this.jobs.get(execution.jobId);
    const node = this.nodes.get(execution.nodeId);
    job?.executionIds.delete(execution.id);
    node?.executionIds.delete(execution.id);
    const hadRoom = !this.#roomless.delete(execution.id);
    if (hadRoom && job !== undefined && node !== undefined) this.index.release(node.slot, job.demand.resources, 1);
  }

  setJob(entry: JobEntry, job: Job): void {
    entry.job = { ...job, revision: entry.job.revision + 1 };
    this.changes.putJob(entry.job);
  }

  setExecution(execution: Execution): void {
    if (this.executions.has(execution.id)) this.executions.set(execution.id, execution);
    this.changes.putExecution(execution);
  }

  setNode(entry: NodeEntry, node: Node): void {
    entry.node = { ...node, revision: entry.node.revision + 1 };
    this.indexNode(entry);
    this.changes.putNode(entry.node);
  }

  /** Lets work be placed on the node, or not, as it stands now. */
  indexNode({ node, isPresent }: NodeEntry): void {
    this.index.upsert(isPresent ? node : { ...node, connection: "lost" });
  }

  putRequest(record: RequestRecord): void {
    this.changes.putRequest(record);
  }

  /** Each node with what is free on it now. */
  *snapshots(): Generator<NodeSnapshot> {
    for (const { node, slot } of this.nodes.values()) yield { node: this.index.nodeAt(slot) ?? node, free: this.index.freeAt(slot) };
  }

  allocatedOn(entry: NodeEntry): Resources {
    let sum = NO_RESOURCES;
    for (const id of entry.executionIds) {
      const execution = this.executions.get(id);
      const job = execution === undefined ? undefined : this.jobs.get(execution.jobId);
      if (job !== undefined && !this.#roomless.has(id)) sum = addResources(sum, job.demand.resources);
    }
    return sum;
  }

  /** @throws notFound/NODE_NOT_FOUND. */
  getNode(id: NodeId): NodeEntry {
    const entry = this.nodes.get(id);
    if (entry === undefined)
      throw new DomainError("notFound", "NODE_NOT_FOUND", `No node has the id ${id}.`, { hint: "List the nodes for their ids." });
    return entry;
  }
}
