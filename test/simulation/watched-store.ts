import { isDeepStrictEqual } from "node:util";
import { DomainError, addResources, isExecutionEnded, isExecutionMoveForward, isJobEnded, NO_RESOURCES } from "@skrei/domain";
import type { Execution, ExecutionId, Job, JobId, Node, NodeId, Resources } from "@skrei/domain";
import type { StateChange, StateStore } from "../../services/scheduler/src/ports.ts";
import type { SeededChance } from "./seeded-chance.ts";

/** What every commit of every scheduler made true, and whether it may be so: invariants 1, 2, 4 and 5 of the design. */
export class Truth {
  readonly jobs = new Map<JobId, Job>();
  readonly executions = new Map<ExecutionId, Execution>();
  readonly nodes = new Map<NodeId, Node>();
  /** Of executions: one each by the state it says. */
  eventCount = 0;
  lastSequence = 0;
  readonly #denials = new Set<string>();

  apply(change: StateChange): void {
    for (const { sequence } of change.events) {
      must(sequence === ++this.lastSequence, `event ${String(sequence)} follows ${String(this.lastSequence - 1)}`);
    }
    this.eventCount += change.events.length;
    this.#checkDenials(change);
    for (const job of change.jobs) this.#applyJob(job);
    for (const execution of change.executions) this.#applyExecution(execution, change);
    for (const node of change.nodes) this.nodes.set(node.id, node);
    for (const { jobId } of change.executions) this.#checkAccepted(jobId);
    for (const nodeId of new Set(change.executions.map((execution) => execution.nodeId))) this.#checkCapacity(nodeId);
  }

  unended(nodeId?: NodeId): Execution[] {
    return [...this.executions.values()].filter(
      (execution) => !isExecutionEnded(execution.state) && (nodeId === undefined || execution.nodeId === nodeId),
    );
  }

  #applyJob(job: Job): void {
    const before = this.jobs.get(job.id);
    const { waiting, running, completed, failed } = job.partitions;
    must(waiting + running + completed + failed === job.spec.count, `counts of ${job.id} add up: ${JSON.stringify(job.partitions)}`);
    must(before === undefined || job.revision > before.revision, `revision of ${job.id} rises`);
    if (before !== undefined && before.version === job.version && isJobEnded(before.state))
      must(before.state === job.state, `${job.id} was ${before.state} and is ${job.state}`);
    if (job.state === "completed") must(completed === job.spec.count && job.exitCode === 0, `completed job ${job.id} has all results`);
    if (job.state === "failed") must(job.failure !== undefined, `failed job ${job.id} says why`);
    this.jobs.set(job.id, job);
  }

  #applyExecution(execution: Execution, change: StateChange): void {
    const before = this.executions.get(execution.id);
    if (before !== undefined && before.state !== execution.state) {
      must(
        isExecutionMoveForward(before.state, execution.state),
        `${execution.id} moves forward from ${before.state} to ${execution.state}`,
      );
    }
    if (before?.state !== execution.state) {
      const events = change.events.filter(
        ({ executionId, from, to }) => executionId === execution.id && to === execution.state && from !== to,
      );
      must(events.length === 1, `${execution.id} has one event of ${execution.state}, not ${String(events.length)}`);
    }
    if (before !== undefined) this.#checkUse(before, execution);
    this.#checkData(before, execution);
    this.executions.set(execution.id, execution);
  }

  /** What is on its way belongs to the state it was told with; what became of the inputs is told once. */
  #checkData(before: Execution | undefined, { id, state, inputs, transfer }: Execution): void {
    const kind = { preparing: "inputs", publishing: "result" }[state as string];
    must(transfer === undefined || transfer.kind === kind, `${id} is ${state} and moves its ${String(transfer?.kind)}`);
    must(before?.inputs === undefined || isDeepStrictEqual(before.inputs, inputs), `${id} keeps what became of its inputs`);
  }

  /** A count of network use only grows, and stands still after the end. */
  #checkUse({ id, state, networkUse: before }: Execution, { networkUse: after }: Execution): void {
    if (before === undefined) return;
    must(after !== undefined && after.hosts.length >= before.hosts.length, `${id} keeps the count of its network use`);
    for (const key of ["requests", "denied", "sentBytes", "receivedBytes"] as const)
      must(
        after[key] >= before[key] && (after[key] === before[key] || !isExecutionEnded(state)),
        `${key} of ${id} only grows until its end`,
      );
  }

  /** Each host is told of once, and once more with its sum: no event of an execution says the same twice. */
  #checkDenials({ events }: StateChange): void {
    for (const { type, executionId, from, to, message } of events) {
      if (type !== "execution.egress_denied") continue;
      must(from !== undefined && from === to, `a denial of ${String(executionId)} moves nothing`);
      const key = `${String(executionId)} ${message ?? ""}`;
      must(!this.#denials.has(key), `"${key}" is told once`);
      this.#denials.add(key);
    }
  }

  #checkAccepted(jobId: JobId): void {
    const accepted = new Set<string>();
    const placed = new Set<string>();
    for (const { jobId: id, jobVersion, partition, verdict, state } of this.executions.values()) {
      if (id !== jobId) continue;
      const key = `${String(jobVersion)}/${String(partition)}`;
      if (verdict === "accepted") must(!accepted.has(key), `one accepted result of ${jobId} ${key}`);
      if (verdict === "accepted") accepted.add(key);
      if (!isExecutionEnded(state)) must(!placed.has(key), `one unended execution of ${jobId} ${key}`);
      if (!isExecutionEnded(state)) placed.add(key);
    }
  }

  #checkCapacity(nodeId: NodeId): void {
    const node = this.nodes.get(nodeId);
    let load: Resources = NO_RESOURCES;
    // Publishing, however long, holds no room.
    for (const { jobId, state } of this.unended(nodeId))
      if (state !== "publishing") load = addResources(load, this.jobs.get(jobId)?.spec.task.resources ?? NO_RESOURCES);
    must(
      node !== undefined && load.cpuMillis <= node.capacity.cpuMillis && load.memoryBytes <= node.capacity.memoryBytes,
      `node ${nodeId} holds ${JSON.stringify(load)}`,
    );
  }
}

export interface StoreFaults {
  /** Probability that a commit throws before, or after, it was written. */
  failBefore: number;
  failAfter: number;
}

/** The store as one scheduler process sees it: it may fail, and once the process is dead nothing reaches it any more. */
export function watchedStore(
  inner: StateStore,
  options: { truth: Truth; chance: SeededChance; faults: StoreFaults; isDead: () => boolean },
): StateStore {
  const { truth, chance, faults, isDead } = options;
  const commit = async (change: StateChange): Promise<"committed" | "staleTerm"> => {
    if (isDead()) return new Promise(() => undefined);
    if (chance.happens(faults.failBefore)) throw unavailable();
    const outcome = await inner.commit(change);
    const isNew = change.events.length === 0 || (change.events[0]?.sequence ?? 0) === truth.lastSequence + 1;
    if (outcome === "committed" && isNew) truth.apply(change);
    if (chance.happens(faults.failAfter)) throw unavailable();
    return isDead() ? new Promise(() => undefined) : outcome;
  };
  return new Proxy(inner, {
    get: (target, key) => {
      if (key === "commit") return commit;
      const method = Reflect.get(target, key) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => (isDead() ? new Promise(() => undefined) : method.apply(target, args));
    },
  });
}

function unavailable(): DomainError {
  return new DomainError("unavailable", "STORE_UNAVAILABLE", "The store does not answer.");
}

function must(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Error(`broken invariant: ${what}`);
}
