export type JobEventKind = "planned" | "placed" | "completed" | "failed" | "stopped" | "rerun";

const TRANSITIONS = {
  pending: { planned: "queued", placed: "running", failed: "failed", stopped: "stopped" },
  queued: { placed: "running", failed: "failed", stopped: "stopped" },
  running: { completed: "completed", failed: "failed", stopped: "stopped" },
  completed: {},
  failed: {},
  stopped: {},
} as const satisfies Record<string, Partial<Record<JobEventKind, string>>>;

export type JobState = keyof typeof TRANSITIONS;

export const JOB_STATES = Object.keys(TRANSITIONS) as readonly JobState[];

/** The state after `event`, or undefined when the table has no such move. A rerun is a new version that begins at pending. */
export function nextJobState(current: JobState, event: JobEventKind): JobState | undefined {
  const moves: Partial<Record<JobEventKind, JobState>> = TRANSITIONS[current];
  return moves[event];
}

/** Derived from the table. */
export function isJobEnded(state: JobState): boolean {
  return Object.keys(TRANSITIONS[state]).length === 0;
}

/** The table itself, for the generated diagram in docs/states.md. */
export const JOB_TRANSITIONS: Readonly<Record<JobState, Partial<Record<JobEventKind, JobState>>>> = TRANSITIONS;
