import { isExecutionEnded } from "@skrei/domain";
import type { Execution, ExecutionId, Failure, NodeId, PartitionCounts, RetryPolicy } from "@skrei/domain";
import { NO_ATTEMPTS, decideRetry, withAttempt } from "./retry.ts";
import type { AttemptHistory, RetryContext } from "./retry.ts";

const WAITING = 0;
const PLACED = 1;
const BACKOFF = 2;
const COMPLETED = 3;
const FAILED = 4;

/** What became of a partition when its execution ended. */
export type PartitionOutcome =
  | { readonly outcome: "completed" | "failed" }
  | { readonly outcome: "waiting" }
  | { readonly outcome: "backoff"; readonly delayMs: number };

/** A wait before the next attempt. */
export interface Backoff {
  readonly untilMs: number;
  readonly failure: Failure | undefined;
}

/** Where each partition of one version of a job is; a byte each, more only for those that had trouble. */
export class PartitionTable {
  readonly #states: Uint8Array;
  readonly #histories = new Map<number, AttemptHistory>();
  readonly #placed = new Map<number, ExecutionId>();
  /** Partitions that were placed before and wait again, below `#fresh`. */
  readonly #returned: number[] = [];
  readonly #policy: RetryPolicy;
  /** No partition from here on was placed before, but for restored ones. */
  #fresh = 0;
  #waiting: number;
  /** Why each partition waits that does so before its next attempt; those that wait longest first. */
  readonly #backoffs = new Map<number, Backoff>();
  #completed = 0;
  #failed = 0;
  #failure: { readonly partition: number; readonly failure: Failure | undefined } | undefined;
  #exit: { readonly partition: number; readonly code: number } | undefined;

  constructor(count: number, policy: RetryPolicy) {
    this.#states = new Uint8Array(count);
    this.#waiting = count;
    this.#policy = policy;
  }

  /** Takes up what a store knows: all executions of this version, oldest first. Waits before next attempts are not taken up. */
  restore(executions: readonly Execution[], random: () => number): void {
    for (const execution of executions) {
      this.place(execution.partition, execution.id);
      if (!isExecutionEnded(execution.state)) continue;
      if (this.end(execution, { random: random(), fittingNodes: () => Number.POSITIVE_INFINITY, nowMs: 0 }).outcome === "backoff")
        this.endBackoff(execution.partition);
    }
  }

  /** Partitions that could be placed now. */
  get ready(): number {
    return this.#waiting;
  }

  get isEveryPartitionEnded(): boolean {
    return this.#completed + this.#failed === this.#states.length;
  }

  /** The failure of the first failed partition: its execution's own. */
  get failure(): Failure | undefined {
    return this.#failure?.failure;
  }

  get hasFailed(): boolean {
    return this.#failed > 0;
  }

  /** The first non-zero exit code in partition order. */
  get exitCode(): number | undefined {
    return this.#exit?.code;
  }

  counts(): PartitionCounts {
    return { waiting: this.#waiting + this.#backoffs.size, running: this.#placed.size, completed: this.#completed, failed: this.#failed };
  }

  /** The wait of a partition that began to wait before the others; undefined while none waits before its next attempt. */
  get backoff(): Backoff | undefined {
    return this.#backoffs.values().next().value;
  }

  /** Up to `count` waiting partitions, without changing anything; those that were placed before come first. */
  peekReady(count: number): number[] {
    const partitions: number[] = [];
    for (let i = this.#returned.length - 1; i >= 0 && partitions.length < count; i--) {
      const partition = this.#returned[i];
      if (partition !== undefined && this.#states[partition] === WAITING && partition < this.#fresh) partitions.push(partition);
    }
    for (let next = this.#fresh; next < this.#states.length && partitions.length < count; next++) {
      if (this.#states[next] === WAITING) partitions.push(next);
    }
    return partitions;
  }

  historyOf(partition: number): AttemptHistory {
    return this.#histories.get(partition) ?? NO_ATTEMPTS;
  }

  /** Nodes where the next partitions in line failed or were refused before. */
  avoidedNodes(partitions: readonly number[]): ReadonlySet<NodeId> {
    if (this.#histories.size === 0) return NO_NODES;
    return new Set(partitions.flatMap((partition) => this.historyOf(partition).nodeIds));
  }

  isWaiting(partition: number): boolean {
    return this.#states[partition] === WAITING;
  }

  /** The partition has an execution that has not ended. */
  place(partition: number, id: ExecutionId): void {
    if (this.#states[partition] !== WAITING) return;
    this.#states[partition] = PLACED;
    this.#waiting--;
    this.#placed.set(partition, id);
    this.#forgetReturned(partition);
    while (this.#fresh < this.#states.length && this.#states[this.#fresh] !== WAITING) this.#fresh++;
  }

  /** The partition's execution ended; ignored when another one is in its place. */
  end(execution: Execution, context: RetryContext & { readonly nowMs: number }): PartitionOutcome {
    const { partition, exitCode } = execution;
    if (this.#placed.get(partition) !== execution.id) return { outcome: "waiting" };
    this.#placed.delete(partition);
    if (execution.state === "completed" && execution.verdict === "accepted") return this.#complete(partition);
    const history = withAttempt(this.historyOf(partition), execution);
    this.#histories.set(partition, history);
    const decision = decideRetry(this.#policy, history, execution, context);
    if (decision.outcome === "gaveUp") return this.#fail(partition, withNote(execution.failure, decision.note), exitCode);
    this.#states[partition] = decision.delayMs > 0 ? BACKOFF : WAITING;
    this.#returned.push(partition);
    if (decision.delayMs === 0) {
      this.#waiting++;
      return { outcome: "waiting" };
    }
    this.#backoffs.set(partition, { untilMs: context.nowMs + decision.delayMs, failure: execution.failure });
    return { outcome: "backoff", delayMs: decision.delayMs };
  }

  /** The wait before the next attempt is over. */
  endBackoff(partition: number): void {
    if (this.#states[partition] !== BACKOFF) return;
    this.#states[partition] = WAITING;
    this.#backoffs.delete(partition);
    this.#waiting++;
  }

  #complete(partition: number): PartitionOutcome {
    this.#states[partition] = COMPLETED;
    this.#completed++;
    this.#histories.delete(partition);
    return { outcome: "completed" };
  }

  #fail(partition: number, failure: Failure | undefined, exitCode: number | undefined): PartitionOutcome {
    this.#states[partition] = FAILED;
    this.#failed++;
    if (this.#failure === undefined || partition < this.#failure.partition) this.#failure = { partition, failure };
    if (exitCode !== undefined && exitCode !== 0 && (this.#exit === undefined || partition < this.#exit.partition)) {
      this.#exit = { partition, code: exitCode };
    }
    return { outcome: "failed" };
  }

  #forgetReturned(partition: number): void {
    const last = this.#returned.length - 1;
    if (last < 0) return;
    const position = this.#returned.lastIndexOf(partition);
    if (position < 0) return;
    this.#returned[position] = this.#returned[last] ?? partition;
    this.#returned.pop();
  }
}

function withNote(failure: Failure | undefined, note: string): Failure | undefined {
  return failure === undefined || note === "" ? failure : { ...failure, message: `${failure.message}; ${note}` };
}

const NO_NODES: ReadonlySet<NodeId> = new Set();
