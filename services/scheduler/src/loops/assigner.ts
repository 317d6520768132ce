import { hasReason, isExecutionEnded, LIMITS } from "@skrei/domain";
import type { Execution, ExecutionId } from "@skrei/domain";
import type { Assignment, AssignmentSet } from "../ports.ts";
import { jobTaskOf } from "./job-task.ts";
import type { NodeEntry } from "./live-state.ts";
import type { TermContext } from "./term-context.ts";

/** Tells each node what it shall hold: one message at a time, chained by token, only what is durable. */
export class Assigner {
  /** Reservations that new executions use; forgotten once told. */
  readonly #askIds = new Map<ExecutionId, string>();
  #term: TermContext | undefined;

  attach(term: TermContext): void {
    this.#term = term;
  }

  noteAsk(id: ExecutionId, askId: string): void {
    this.#askIds.set(id, askId);
  }

  /** Takes durable executions into the chains of their nodes. Returns the nodes that have something to hear. */
  take(executions: readonly Execution[]): ReadonlySet<NodeEntry> {
    const changed = new Set<NodeEntry>();
    for (const execution of executions) {
      const node = this.#context.live.nodes.get(execution.nodeId);
      if (node === undefined) continue;
      if (isExecutionEnded(execution.state)) this.#release(node, execution);
      else this.#put(node, execution);
      if (node.chain.isDirty) changed.add(node);
    }
    return changed;
  }

  /** Fills a new chain with what is durable already; its first message is the complete set. */
  restore(node: NodeEntry, executions: Iterable<Execution>): void {
    for (const execution of executions) this.#put(node, execution);
    this.flush(node);
  }

  /** Sends what the node has not heard, unless a message is under way already. */
  flush(node: NodeEntry): void {
    if (node.node.connection !== "connected" || !node.isPresent) return;
    const told = new Set<string>();
    const set = node.chain.take({ bytes: LIMITS.busBatchBytesMax, bytesOf: (assignment) => this.#bytesOf(assignment, told) });
    if (set !== undefined) void this.#send(node, set);
  }

  get #context(): TermContext {
    if (this.#term === undefined) throw new Error("the assigner has no term");
    return this.#term;
  }

  #put(node: NodeEntry, execution: Execution): void {
    const job = this.#context.live.jobs.get(execution.jobId);
    if (job === undefined) return;
    const { id: executionId, partition, attempt, epoch, desired, verdict, jobVersion } = execution;
    const assignment = { executionId, job: jobTaskOf(job, jobVersion), partition, attempt, epoch, desired, verdict };
    node.chain.put({ ...assignment, askId: this.#askIds.get(executionId) ?? "", isAcceptedAtOnce: true });
  }

  #release(node: NodeEntry, { id }: Execution): void {
    this.#askIds.delete(id);
    node.chain.release(id);
  }

  async #send(node: NodeEntry, set: AssignmentSet): Promise<void> {
    const { agents, signal, logger } = this.#context;
    const {
      chain,
      node: { id: nodeId, session },
    } = node;
    try {
      const appliedToken = await agents.assign({ nodeId, session }, set, signal);
      if (chain !== node.chain || signal.aborted) return;
      if (!chain.acknowledge(set, appliedToken)) return this.#repeatLater(node);
      node.assignFailures = 0;
      this.flush(node);
    } catch (error) {
      if (chain !== node.chain || signal.aborted) return;
      chain.fail(set);
      logger.debug({ nodeId, err: error }, "assignments were not acknowledged");
      if (hasReason(error, "SESSION_ENDED")) this.#awaitContact(node);
      else this.#repeatLater(node);
    }
  }

  /** The agent has another session: it joins again, or has not heard of this one yet. Its next call brings it back. */
  #awaitContact(node: NodeEntry): void {
    node.isPresent = false;
    this.#context.live.indexNode(node);
    node.chain.hold();
  }

  #repeatLater(node: NodeEntry): void {
    const { chain } = node;
    const { deadlines, options } = this.#context;
    chain.hold();
    const delayMs = Math.min(options.heartbeatIntervalMs, REPEAT_MS * 2 ** Math.min(node.assignFailures++, 10));
    deadlines.after(delayMs, () => {
      if (chain !== node.chain) return;
      chain.resume();
      this.flush(node);
    });
  }

  /** A spec counts once in a message, however many executions share it. */
  #bytesOf({ job: { jobId } }: Assignment, told: Set<string>): number {
    if (told.has(jobId)) return ASSIGNMENT_BYTES;
    told.add(jobId);
    return ASSIGNMENT_BYTES + (this.#context.live.jobs.get(jobId)?.specBytes ?? 0);
  }
}

const ASSIGNMENT_BYTES = 128;
const REPEAT_MS = 50;
