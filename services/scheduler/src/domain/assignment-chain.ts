import type { Desired, ExecutionId, Verdict } from "@skrei/domain";

/** What the chain looks at in an assignment; the rest is carried along. */
export interface ChainedAssignment {
  readonly executionId: ExecutionId;
  readonly desired: Desired;
  readonly verdict: Verdict;
  readonly isAcceptedAtOnce: boolean;
}

export interface ChainMessage<Assignment> {
  /** Empty for a complete set. */
  readonly appliesTo: string;
  readonly resultsIn: string;
  readonly isComplete: boolean;
  readonly assignments: readonly Assignment[];
  readonly releasedExecutionIds: readonly ExecutionId[];
  readonly releasedAskIds: readonly string[];
}

/** An increment is cut at `bytes`. */
export interface MessageSize<Assignment> {
  readonly bytes: number;
  readonly bytesOf: (assignment: Assignment) => number;
}

/**
 * What one node has been told and what it must still hear. Increments chain by token; after any doubt (no answer, another
 * token, another session) the next message is the complete set. One message is under way at a time.
 */
export class AssignmentChain<Assignment extends ChainedAssignment> {
  readonly #assignments = new Map<ExecutionId, Assignment>();
  readonly #changed = new Set<ExecutionId>();
  readonly #releasedExecutionIds = new Set<ExecutionId>();
  readonly #releasedAskIds = new Set<string>();
  /** What the node has applied; undefined when the next message must be complete. */
  #applied: string | undefined;
  #counter = 0;
  /** Makes tokens of other leaders and sessions different. */
  readonly #prefix: string;
  #sent: { readonly token: string } | undefined;
  #isHeld = false;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The node shall hold this. Known ones are told again only when the scheduler's own fields changed. */
  put(assignment: Assignment): void {
    const before = this.#assignments.get(assignment.executionId);
    this.#assignments.set(assignment.executionId, assignment);
    if (before?.desired !== assignment.desired || (before.verdict !== assignment.verdict && !assignment.isAcceptedAtOnce)) {
      this.#changed.add(assignment.executionId);
    }
  }

  /** The execution ended; the node may forget it. */
  release(id: ExecutionId): void {
    if (!this.#assignments.delete(id)) return;
    this.#changed.delete(id);
    this.#releasedExecutionIds.add(id);
  }

  releaseAsk(askId: string): void {
    this.#releasedAskIds.add(askId);
  }

  /** Starts over with a complete set: after a join, a doubt, or when the node holds something it should not. */
  reset(): void {
    this.#applied = undefined;
  }

  /** Nothing is sent until `resume`: the last message failed and waits to be repeated. */
  hold(): void {
    this.#isHeld = true;
  }

  resume(): void {
    this.#isHeld = false;
  }

  /** The token that the node should have, or undefined while that is open. */
  get settledToken(): string | undefined {
    return this.#sent === undefined && !this.isDirty ? this.#applied : undefined;
  }

  get isDirty(): boolean {
    return this.#applied === undefined || this.#changed.size + this.#releasedExecutionIds.size + this.#releasedAskIds.size > 0;
  }

  get isBusy(): boolean {
    return this.#sent !== undefined;
  }

  /** The next message, or undefined when there is nothing to say or one is under way. */
  take(sizeMax: MessageSize<Assignment>): ChainMessage<Assignment> | undefined {
    if (this.isBusy || this.#isHeld || !this.isDirty) return undefined;
    const token = `${this.#prefix}.${String(++this.#counter)}`;
    const isComplete = this.#applied === undefined;
    const assignments = isComplete ? [...this.#assignments.values()] : this.#takeChanged(sizeMax);
    if (isComplete) this.#changed.clear();
    const set = {
      appliesTo: this.#applied ?? "",
      resultsIn: token,
      isComplete,
      assignments,
      releasedExecutionIds: [...this.#releasedExecutionIds],
      releasedAskIds: [...this.#releasedAskIds],
    };
    this.#releasedExecutionIds.clear();
    this.#releasedAskIds.clear();
    this.#sent = { token };
    return set;
  }

  /** The node answered with the token of what it has applied. False: a gap; the next message is complete. */
  acknowledge(set: ChainMessage<Assignment>, appliedToken: string): boolean {
    if (this.#sent?.token !== set.resultsIn) return true;
    this.#sent = undefined;
    const isApplied = appliedToken === set.resultsIn;
    this.#applied = isApplied ? appliedToken : undefined;
    return isApplied;
  }

  /** No answer: it may have been applied or not. */
  fail(set: ChainMessage<Assignment>): void {
    if (this.#sent?.token !== set.resultsIn) return;
    this.#sent = undefined;
    this.#applied = undefined;
  }

  #takeChanged({ bytes, bytesOf }: MessageSize<Assignment>): Assignment[] {
    const taken: Assignment[] = [];
    let size = 0;
    for (const id of this.#changed) {
      const assignment = this.#assignments.get(id);
      if (assignment === undefined) continue;
      size += bytesOf(assignment);
      if (taken.length > 0 && size > bytes) break;
      this.#changed.delete(id);
      taken.push(assignment);
    }
    return taken;
  }
}
