/** What the scheduler wants. */
export type Desired = "run" | "stop";
/** What the scheduler decided about a result proposal. */
export type Verdict = "open" | "accepted" | "rejected";

export type ExecutionEvent =
  | "preparing"
  | "started"
  | "proposed"
  | "publishing"
  | "published"
  | "refused"
  | "failed"
  | "stopped"
  | "outvoted"
  | "nodeLost";

/** Every legal move of the observed state. `nodeLost` is the scheduler's one exception; the rest is the agent's to write. */
const TRANSITIONS = {
  assigned: { preparing: "preparing", refused: "rejected", failed: "failed", stopped: "cancelled", nodeLost: "lost" },
  preparing: { started: "running", refused: "rejected", failed: "failed", stopped: "cancelled", nodeLost: "lost" },
  running: { proposed: "proposing", failed: "failed", stopped: "cancelled", nodeLost: "lost" },
  proposing: { publishing: "publishing", failed: "failed", outvoted: "discarded", stopped: "cancelled", nodeLost: "lost" },
  publishing: { published: "completed", failed: "failed", outvoted: "discarded", stopped: "cancelled", nodeLost: "lost" },
  completed: {},
  failed: {},
  rejected: {},
  cancelled: {},
  discarded: {},
  lost: {},
} as const satisfies Record<string, Partial<Record<ExecutionEvent, string>>>;

export type ExecutionState = keyof typeof TRANSITIONS;

export const EXECUTION_STATES = Object.keys(TRANSITIONS) as readonly ExecutionState[];

/** The state after `event`, or undefined when the table has no such move. */
export function nextExecutionState(current: ExecutionState, event: ExecutionEvent): ExecutionState | undefined {
  const moves: Partial<Record<ExecutionEvent, ExecutionState>> = TRANSITIONS[current];
  return moves[event];
}

/** Derived from the table, so it cannot disagree with it. */
export function isExecutionEnded(state: ExecutionState): boolean {
  return Object.keys(TRANSITIONS[state]).length === 0;
}

/** True when `to` can be reached from `from` by one or more moves; a report that skipped states is still a move forward. */
export function isExecutionMoveForward(from: ExecutionState, to: ExecutionState): boolean {
  return REACHABLE.get(from)?.has(to) ?? false;
}

const REACHABLE: ReadonlyMap<ExecutionState, ReadonlySet<ExecutionState>> = new Map(
  EXECUTION_STATES.map((state) => [state, reachableFrom(state, new Set())]),
);

function reachableFrom(state: ExecutionState, seen: Set<ExecutionState>): Set<ExecutionState> {
  for (const next of Object.values(TRANSITIONS[state]) as ExecutionState[]) {
    if (seen.has(next)) continue;
    seen.add(next);
    reachableFrom(next, seen);
  }
  return seen;
}

/** The table itself, for the generated diagram in docs/states.md. */
export const EXECUTION_TRANSITIONS: Readonly<Record<ExecutionState, Partial<Record<ExecutionEvent, ExecutionState>>>> = TRANSITIONS;
