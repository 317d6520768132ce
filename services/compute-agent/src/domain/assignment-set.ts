import type { ExecutionId, Verdict } from "@skrei/domain";
import type { Assignment } from "./assignment.ts";
import { hasEnded, idOf, newRecord, type ExecutionRecord } from "./execution-record.ts";

/** A complete set of assignments, or an increment that chains to the last one by token. */
export interface AssignmentSet {
  /** Empty for a complete set. */
  readonly appliesTo: string;
  readonly resultsIn: string;
  readonly isComplete: boolean;
  readonly assignments: readonly Assignment[];
  readonly releasedExecutionIds: readonly ExecutionId[];
  readonly releasedAskIds: readonly string[];
}

export interface Held {
  readonly appliedToken: string;
  readonly records: ReadonlyMap<ExecutionId, ExecutionRecord>;
}

export interface AssignmentChange {
  readonly appliedToken: string;
  /** New and changed records. */
  readonly changed: readonly ExecutionRecord[];
  readonly forgotten: readonly ExecutionId[];
}

/**
 * What a message of the scheduler changes. Undefined when it does not follow the last one (a gap, or a repetition): then
 * nothing changes, and the answer with the applied token makes the scheduler send what is missing.
 */
export function applyAssignments(held: Held, set: AssignmentSet): AssignmentChange | undefined {
  if (!set.isComplete && set.appliesTo !== held.appliedToken) return undefined;
  if (isLate(set.resultsIn, held.appliedToken)) return undefined;
  const merged = set.assignments.map((assignment) => merge(held.records.get(assignment.executionId), assignment));
  const changed = new Map(merged.filter((record) => record !== undefined).map((record) => [idOf(record), record]));
  const forgotten: ExecutionId[] = [];
  for (const id of releasedIds(held, set)) {
    const record = changed.get(id) ?? held.records.get(id);
    if (record === undefined) continue;
    if (hasEnded(record)) {
      forgotten.push(id);
      changed.delete(id);
    } else changed.set(id, { ...record, isReleased: true });
  }
  return { appliedToken: set.resultsIn, changed: [...changed.values()], forgotten };
}

/**
 * Tokens are `<chain>.<number>`, and numbers of one chain rise. A complete set that was overtaken must not undo what came after it.
 */
function isLate(token: string, appliedToken: string): boolean {
  const [chain, number] = splitToken(token);
  const [appliedChain, appliedNumber] = splitToken(appliedToken);
  return chain === appliedChain && number <= appliedNumber;
}

function splitToken(token: string): readonly [chain: string, number: number] {
  const dot = token.lastIndexOf(".");
  return [token.slice(0, Math.max(0, dot)), Number(token.slice(dot + 1))];
}

function releasedIds(held: Held, set: AssignmentSet): Iterable<ExecutionId> {
  if (!set.isComplete) return set.releasedExecutionIds;
  const listed = new Set(set.assignments.map(({ executionId }) => executionId));
  return [...held.records.keys()].filter((id) => !listed.has(id));
}

/** Wishes move one way: a stop is not taken back, a verdict stands, and an older epoch has no say. */
function merge(record: ExecutionRecord | undefined, assignment: Assignment): ExecutionRecord | undefined {
  if (record === undefined) return newRecord(assignment);
  const known = record.assignment;
  if (assignment.epoch < known.epoch) return undefined;
  const desired = known.desired === "stop" ? "stop" : assignment.desired;
  const verdict: Verdict = known.verdict === "open" ? assignment.verdict : known.verdict;
  if (desired === known.desired && verdict === known.verdict && assignment.epoch === known.epoch) return undefined;
  return { ...record, assignment: { ...known, desired, verdict, epoch: assignment.epoch } };
}
