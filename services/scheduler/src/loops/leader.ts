import { DomainError } from "@skrei/domain";
import type { LeaderCommands, NodeView } from "../ports.ts";
import { askPlan } from "./ask-plan.ts";
import { notLeader } from "./committer.ts";
import { rerunJob, stopJob, submitJobs } from "./job-commands.ts";
import { runLease } from "./lease-loop.ts";
import type { LiveState, NodeEntry } from "./live-state.ts";
import { heartbeat, joinNode, report, setDraining, setMembership } from "./node-commands.ts";
import { Broadcast } from "./notifier.ts";
import { RequestLog } from "./request-log.ts";
import { openTerm, runTerm } from "./term.ts";
import type { LeaderParts, TermContext } from "./term-context.ts";

export interface LeaderHooks {
  /** Called when this process begins to lead, before it takes commands; agents may be served from then on. */
  readonly onLead: () => Promise<void>;
  readonly onStepDown: () => Promise<void>;
}

export interface Leader {
  readonly commands: LeaderCommands;
  isLeading(): boolean;
  /** Competes for the lease and leads whenever it has it, until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function createLeader(parts: LeaderParts, hooks: LeaderHooks): Leader {
  let current: { readonly term: TermContext; readonly log: RequestLog } | undefined;
  const nodesChanged = new Broadcast();
  const usesChanged = new Broadcast();

  const lead = async (termNumber: number, signal: AbortSignal): Promise<void> => {
    const term = await openTerm(parts, { term: termNumber, signal, nodesChanged, usesChanged });
    signal.throwIfAborted();
    current = { term, log: new RequestLog(parts.store) };
    parts.logger.info({ term: termNumber, jobs: term.live.jobs.size, nodes: term.live.nodes.size }, "leading");
    try {
      const running = runTerm(term);
      running.catch(() => undefined);
      await hooks.onLead();
      await running;
    } finally {
      current = undefined;
      nodesChanged.notify();
      usesChanged.notify();
      await hooks.onStepDown();
    }
  };

  const leading = (): { term: TermContext; log: RequestLog } => {
    if (current === undefined || current.term.signal.aborted) throw notLeader();
    return current;
  };

  return {
    commands: commandsOf(leading, { nodesChanged, usesChanged }),
    isLeading: () => current !== undefined,
    run: (signal) => runLease(parts, lead, signal),
  };
}

function commandsOf(
  leading: () => { term: TermContext; log: RequestLog },
  { nodesChanged, usesChanged }: { nodesChanged: Broadcast; usesChanged: Broadcast },
): LeaderCommands {
  const run = async <T>(command: (term: TermContext, log: RequestLog) => Promise<T>): Promise<T> => {
    const { term, log } = leading();
    try {
      return await command(term, log);
    } catch (error) {
      // What ended the term says nothing to a caller.
      if (term.signal.aborted && (!(error instanceof DomainError) || error.reason === "TERM_STALE")) throw notLeader();
      throw error;
    }
  };
  return {
    submit: (requests) => run((term, log) => submitJobs(term, requests, log)),
    stop: (command) => run((term) => stopJob(term, command)),
    rerun: (command) => run((term, log) => rerunJob(term, command, log)),
    plan: (spec) => run((term) => askPlan(term, spec)),
    nodes: () => {
      const { live } = leading().term;
      return Array.from(live.nodes.values(), (entry) => viewOf(live, entry));
    },
    waitForNodes: (signal) => nodesChanged.next(signal),
    networkedExecutions: () => leading().term.live.networked.all(),
    waitForNetworkUse: (signal) => usesChanged.next(signal),
    setMembership: (nodeId, membership) => run((term) => setMembership(term, nodeId, membership)),
    setDraining: (nodeId, isDraining) => run((term) => setDraining(term, nodeId, isDraining)),
    join: (command) => run((term) => joinNode(term, command)),
    heartbeat: (command) => heartbeat(leading().term, command),
    report: (command) => run((term) => report(term, command)),
  };
}

function viewOf(live: LiveState, entry: NodeEntry): NodeView {
  const { node, executionIds, heartbeatAtMs, hasHeartbeat } = entry;
  return {
    node,
    allocated: live.allocatedOn(entry),
    executions: executionIds.size,
    heartbeatAtMs: hasHeartbeat ? heartbeatAtMs : undefined,
  };
}
