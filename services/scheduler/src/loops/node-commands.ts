import { DomainError, heldDigest } from "@skrei/domain";
import type { Execution, ExecutionReport, Failure, Membership, Node, NodeId } from "@skrei/domain";
import { applyReport } from "../domain/apply-report.ts";
import { agentRestartedFailure, isSilent, missingExecutions, nodeLostFailure, nodeRejectedFailure } from "../domain/lost-nodes.ts";
import type { HeartbeatCommand, JoinCommand, Randomness } from "../ports.ts";
import type { JobEntry, NodeEntry } from "./live-state.ts";
import { loseFromNode, moveExecution, noteFreed, noteObserved, refreshJob } from "./progress.ts";
import type { TermContext } from "./term-context.ts";

/** Opens a new session of a new or known node. */
export async function joinNode(term: TermContext, command: JoinCommand): Promise<Node> {
  const known = term.live.nodes.get(command.nodeId);
  if (known !== undefined) refuseForeignKey(known.node, command);
  const from = known?.node.connection ?? "";
  const node = nodeOf(term, command, known?.node);
  const entry = known ?? term.live.addNode(node);
  entry.isPresent = false;
  term.live.setNode(entry, node);
  beginSession(term, entry);
  addNodeEvent(term, entry, "node.joined", { from, to: "connected" });
  if (known === undefined) watchSilence(term, entry);
  term.nodesChanged.notify();
  const joined = entry.node;
  await term.committer.durable();
  return joined;
}

/** Notes that the node lives, and compares what it holds with the books. */
export function heartbeat(term: TermContext, command: HeartbeatCommand): { nextIntervalMs: number; reportsAll: boolean } {
  const entry = sessionOf(term, command);
  const { live, clock, options } = term;
  entry.heartbeatAtMs = clock.nowMs();
  entry.hasHeartbeat = true;
  noteContact(term, entry);
  if (entry.node.connection === "lost") reconnect(term, entry);
  const { engines, network } = command;
  if (JSON.stringify([engines, network]) !== JSON.stringify([entry.node.engines, entry.node.network])) {
    live.setNode(entry, { ...entry.node, engines, network });
    addNodeEvent(term, entry, "node.updated", {});
    wakeFor(term, entry);
  }
  if (isMismatch(term, entry, command)) {
    entry.chain.reset();
    entry.awaitsCompleteReport = true;
    term.assigner.flush(entry);
  }
  term.committer.notify();
  return { nextIntervalMs: options.heartbeatIntervalMs, reportsAll: entry.awaitsCompleteReport };
}

/** Takes over what the node observed; answered when durable. */
export async function report(
  term: TermContext,
  command: { nodeId: NodeId; session: string; reports: readonly ExecutionReport[]; isComplete: boolean },
): Promise<void> {
  const entry = sessionOf(term, command);
  noteContact(term, entry);
  const touched = new Set<JobEntry>();
  for (const observed of command.reports) applyOne(term, observed, { nodeId: command.nodeId, touched });
  if (command.isComplete && entry.awaitsCompleteReport) {
    entry.awaitsCompleteReport = false;
    const reportedIds = new Set(command.reports.map(({ executionId }) => executionId));
    loseExecutions(term, missingExecutions(executionsOf(term, entry), reportedIds), {
      failure: agentRestartedFailure(entry.node),
      touched,
    });
  }
  for (const job of touched) refreshJob(term, job);
  term.assigner.flush(entry);
  await term.committer.durable();
}

export async function setMembership(term: TermContext, nodeId: NodeId, membership: Membership): Promise<Node> {
  const entry = term.live.getNode(nodeId);
  const { node } = entry;
  if (node.membership !== membership) {
    const isRejected = membership === "rejected";
    term.live.setNode(entry, { ...node, membership, ...(isRejected && { session: "", connection: "lost" as const }) });
    addNodeEvent(term, entry, `node.${membership}`, { from: node.membership, to: membership });
    if (isRejected) giveUpNode(term, entry, nodeRejectedFailure(node));
    wakeFor(term, entry);
  }
  const changed = entry.node;
  await term.committer.durable();
  return changed;
}

export async function setDraining(term: TermContext, nodeId: NodeId, isDraining: boolean): Promise<Node> {
  const entry = term.live.getNode(nodeId);
  if (entry.node.isDraining !== isDraining) {
    term.live.setNode(entry, { ...entry.node, isDraining });
    addNodeEvent(term, entry, isDraining ? "node.draining" : "node.undrained", {});
    wakeFor(term, entry);
  }
  const changed = entry.node;
  await term.committer.durable();
  return changed;
}

/** Gives the node up when it stays silent; arms itself again while it does not. */
export function watchSilence(term: TermContext, entry: NodeEntry): void {
  const { clock, deadlines, options, live } = term;
  const sinceMs = entry.node.connection === "lost" ? clock.nowMs() : entry.heartbeatAtMs;
  deadlines.at(sinceMs + options.heartbeatTimeoutMs + 1, () => {
    if (live.nodes.get(entry.node.id) !== entry) return;
    const nowMs = clock.nowMs();
    const isConnected = entry.node.connection === "connected";
    if (isConnected && isSilent(entry.heartbeatAtMs, nowMs, options.heartbeatTimeoutMs)) loseNode(term, entry, nowMs);
    watchSilence(term, entry);
  });
}

/** What stays of a known node is what operators decided. */
function nodeOf({ clock, options, randomness }: TermContext, command: JoinCommand, before: Node | undefined): Node {
  const { joinToken: _, nodeId: id, ...described } = command;
  const { membership, isDraining, epoch, revision } = before ?? {
    membership: options.approvesNodes ? ("approved" as const) : ("pending" as const),
    isDraining: false,
    epoch: 0,
    revision: 0,
  };
  const session = newSession(randomness);
  return {
    ...described,
    id,
    membership,
    connection: "connected",
    isDraining,
    epoch: epoch + 1,
    session,
    joinedAtMs: clock.nowMs(),
    revision,
  };
}

function loseNode(term: TermContext, entry: NodeEntry, nowMs: number): void {
  const { node, heartbeatAtMs } = entry;
  const failure = nodeLostFailure(node, nowMs - heartbeatAtMs);
  term.live.setNode(entry, { ...node, connection: "lost" });
  addNodeEvent(term, entry, "node.lost", { from: "connected", to: "lost", reason: failure.reason, message: failure.message });
  giveUpNode(term, entry, failure);
}

function giveUpNode(term: TermContext, entry: NodeEntry, failure: Failure): void {
  const touched = new Set<JobEntry>();
  loseExecutions(term, executionsOf(term, entry), { failure, touched });
  for (const job of touched) refreshJob(term, job);
  entry.chain.reset();
  term.nodesChanged.notify();
}

function loseExecutions(
  term: TermContext,
  lost: readonly Execution[],
  { failure, touched }: { failure: Failure; touched: Set<JobEntry> },
): void {
  for (const execution of lost) {
    loseFromNode(term, execution, failure);
    const job = term.live.jobs.get(execution.jobId);
    if (job !== undefined) touched.add(job);
  }
}

function reconnect(term: TermContext, entry: NodeEntry): void {
  term.live.setNode(entry, { ...entry.node, connection: "connected" });
  addNodeEvent(term, entry, "node.connected", { from: "lost", to: "connected" });
  entry.chain.reset();
  entry.awaitsCompleteReport = true;
  term.assigner.flush(entry);
  wakeFor(term, entry);
}

function beginSession(term: TermContext, entry: NodeEntry): void {
  entry.heartbeatAtMs = term.clock.nowMs();
  entry.awaitsCompleteReport = true;
  entry.mismatch = "";
  entry.assignFailures = 0;
  const held = executionsOf(term, entry);
  entry.chain = term.live.newChain(entry.node);
  term.assigner.restore(entry, held);
}

/** The agent used its session, so it has it: from now on it can be asked and told. */
function noteContact(term: TermContext, entry: NodeEntry): void {
  if (entry.isPresent) return;
  entry.isPresent = true;
  term.live.indexNode(entry);
  entry.chain.resume();
  term.assigner.flush(entry);
  wakeFor(term, entry);
}

function applyOne(term: TermContext, observed: ExecutionReport, { nodeId, touched }: { nodeId: NodeId; touched: Set<JobEntry> }): void {
  const { live } = term;
  const before = live.executions.get(observed.executionId);
  const job = before === undefined ? undefined : live.jobs.get(before.jobId);
  if (before === undefined || job === undefined) return;
  const isResultWanted = before.jobVersion === job.job.version && before.desired === "run";
  const after = applyReport(before, observed, { nodeId, isResultWanted });
  if (after === undefined) return;
  noteData(term, before, { after, job });
  if (after.state === before.state) return noteObserved(term, before, after);
  moveExecution(term, before, after);
  touched.add(job);
}

/** Where data is now, for jobs that read it next. */
function noteData({ live }: TermContext, before: Execution, { after, job }: { readonly after: Execution; readonly job: JobEntry }): void {
  const slot = live.nodes.get(after.nodeId)?.slot;
  if (slot === undefined) return;
  if (after.inputs !== before.inputs) live.dataPlaces.noteInputs(job.job.spec.task.inputs, slot);
  if (after.resultCid !== undefined && before.resultCid === undefined) live.dataPlaces.noteResult(after.resultCid, slot);
}

/**
 * Twice the same answer that is not ours, while nothing is under way: then it is no report or message in flight. A heartbeat may come
 * early, right after another; that is no second time.
 */
function isMismatch(term: TermContext, entry: NodeEntry, { appliedToken, heldDigest: held }: HeartbeatCommand): boolean {
  const token = entry.chain.settledToken;
  const isAgreed = token === undefined || (token === appliedToken && heldDigest(executionsOf(term, entry)) === held);
  const said = isAgreed ? "" : `${appliedToken} ${held} ${token}`;
  const nowMs = term.clock.nowMs();
  if (said !== "" && said === entry.mismatch) {
    const isRepeated = nowMs - entry.mismatchAtMs >= term.options.heartbeatIntervalMs / 2;
    if (isRepeated) entry.mismatch = "";
    return isRepeated;
  }
  entry.mismatch = said;
  entry.mismatchAtMs = nowMs;
  return false;
}

function sessionOf(term: TermContext, { nodeId, session }: { nodeId: NodeId; session: string }): NodeEntry {
  const entry = term.live.nodes.get(nodeId);
  if (entry?.node.membership === "rejected") throw rejected(entry.node);
  if (entry === undefined || session === "" || entry.node.session !== session) {
    throw new DomainError("precondition", "SESSION_ENDED", `The session of node ${nodeId} has ended.`, { hint: "Join again." });
  }
  return entry;
}

function refuseForeignKey(node: Node, command: JoinCommand): void {
  if (node.publicKeyBase64 !== command.publicKeyBase64) {
    throw new DomainError("precondition", "NODE_KEY_MISMATCH", `Node ${node.id} joined before with another key.`, {
      hint: "Give the node its old data directory back, or remove the directory so that it becomes a new node.",
    });
  }
  if (node.membership === "rejected") throw rejected(node);
}

function rejected(node: Node): DomainError {
  return new DomainError("forbidden", "NODE_REJECTED", `An operator rejected node ${node.name}.`, {
    hint: `Approve it again: skrei node approve ${node.id}`,
  });
}

function executionsOf(term: TermContext, entry: NodeEntry): readonly Execution[] {
  return [...entry.executionIds].flatMap((id) => term.live.executions.get(id) ?? []);
}

function wakeFor(term: TermContext, entry: NodeEntry): void {
  term.placer.wakeRefused(entry, () => true);
  noteFreed(term, entry);
  term.nodesChanged.notify();
}

function addNodeEvent(
  term: TermContext,
  { node }: NodeEntry,
  type: string,
  details: { from?: string; to?: string; reason?: string; message?: string },
): void {
  const { from, ...rest } = details;
  term.live.changes.addEvent({ type, nodeId: node.id, ...(from !== undefined && from !== "" && { from }), ...rest });
}

function newSession(randomness: Randomness): string {
  return [...randomness.randomBytes(), ...randomness.randomBytes()].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
