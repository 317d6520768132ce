import type { Execution, ExecutionId, Job, JobEvent, JobId, Node, NodeId } from "@skrei/domain";
import type { RequestRecord, StateChange } from "../ports.ts";

/** What changed since the last commit began. The newest value of each record, and each change's one event. */
export class ChangeSet {
  readonly #nowMs: () => number;
  #lastSequence: number;
  #jobs = new Map<JobId, Job>();
  #executions = new Map<ExecutionId, Execution>();
  #nodes = new Map<NodeId, Node>();
  #requests: RequestRecord[] = [];
  #events: JobEvent[] = [];
  #removedJobIds: JobId[] = [];
  #removedNodeIds: NodeId[] = [];

  constructor(lastSequence: number, nowMs: () => number) {
    this.#lastSequence = lastSequence;
    this.#nowMs = nowMs;
  }

  get isEmpty(): boolean {
    return this.#events.length + this.#jobs.size + this.#executions.size + this.#nodes.size + this.#requests.length === 0;
  }

  putJob(job: Job): void {
    this.#jobs.set(job.id, job);
  }

  putExecution(execution: Execution): void {
    this.#executions.set(execution.id, execution);
  }

  putNode(node: Node): void {
    this.#nodes.set(node.id, node);
  }

  putRequest(record: RequestRecord): void {
    this.#requests.push(record);
  }

  removeJob(id: JobId): void {
    this.#removedJobIds.push(id);
    this.addEvent({ type: "job.removed", jobId: id });
  }

  removeNode(id: NodeId): void {
    this.#removedNodeIds.push(id);
    this.addEvent({ type: "node.removed", nodeId: id });
  }

  addEvent(event: Omit<JobEvent, "sequence" | "atMs">): void {
    this.#events.push({ sequence: ++this.#lastSequence, atMs: this.#nowMs(), ...event });
  }

  /** Everything so far, for one commit; what changes from now on goes into the next. */
  take(term: number): StateChange {
    const change: StateChange = {
      term,
      jobs: [...this.#jobs.values()],
      executions: [...this.#executions.values()],
      nodes: [...this.#nodes.values()],
      requests: this.#requests,
      events: this.#events,
      removedJobIds: this.#removedJobIds,
      removedNodeIds: this.#removedNodeIds,
    };
    this.#jobs = new Map();
    this.#executions = new Map();
    this.#nodes = new Map();
    this.#requests = [];
    this.#events = [];
    this.#removedJobIds = [];
    this.#removedNodeIds = [];
    return change;
  }
}
