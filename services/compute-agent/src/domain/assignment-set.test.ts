import type { ExecutionId, JobId, Task } from "@skrei/domain";
import { expect, test } from "vitest";
import type { Assignment } from "./assignment.ts";
import { applyAssignments, type AssignmentSet, type Held } from "./assignment-set.ts";
import { newRecord, type ExecutionRecord } from "./execution-record.ts";

const one = anAssignment("e-1");
const two = anAssignment("e-2");

test("an increment adds to what is held", () => {
  const change = applyAssignments(holding("c.1", newRecord(one)), increment("c.1", "c.2", [two]));
  expect(change).toMatchObject({ appliedToken: "c.2", forgotten: [], changed: [{ assignment: two, observed: { state: "assigned" } }] });
});

test("an increment that does not follow the last message changes nothing", () => {
  expect(applyAssignments(holding("c.1"), increment("c.2", "c.3", [two]))).toBeUndefined();
});

test("a message that comes again changes nothing", () => {
  expect(applyAssignments(holding("c.2", newRecord(two)), increment("c.1", "c.2", [two]))).toBeUndefined();
  expect(applyAssignments(holding("c.2", newRecord(two)), complete("c.2", [two]))).toBeUndefined();
});

test("a complete set that was overtaken changes nothing", () => {
  expect(applyAssignments(holding("c.7", newRecord(two)), complete("c.6", []))).toBeUndefined();
});

test("a complete set of another chain counts, whatever its number", () => {
  expect(applyAssignments(holding("c.7"), complete("d.1", [one]))).toMatchObject({ appliedToken: "d.1" });
});

test("what a complete set does not name is released if it runs and forgotten if it has ended", () => {
  const change = applyAssignments(holding("c.1", newRecord(one), ended(two)), complete("c.2", []));
  expect(change).toMatchObject({ forgotten: ["e-2"], changed: [{ assignment: { executionId: "e-1" }, isReleased: true }] });
});

test("an ended execution that is released is forgotten", () => {
  const change = applyAssignments(holding("c.1", ended(one)), {
    ...increment("c.1", "c.2", []),
    releasedExecutionIds: ["e-1" as ExecutionId],
  });
  expect(change).toMatchObject({ forgotten: ["e-1"], changed: [] });
});

test("a stop is not taken back and a verdict stands", () => {
  const record = newRecord({ ...one, desired: "stop", verdict: "accepted" });
  const change = applyAssignments(holding("c.1", record), increment("c.1", "c.2", [{ ...one, desired: "run", verdict: "rejected" }]));
  expect(change?.changed).toEqual([]);
});

test("an assignment with an older epoch has no say", () => {
  const record = newRecord({ ...one, epoch: 5 });
  const change = applyAssignments(holding("c.1", record), increment("c.1", "c.2", [{ ...one, epoch: 4, desired: "stop" }]));
  expect(change?.changed).toEqual([]);
});

function anAssignment(executionId: string): Assignment {
  return {
    executionId: executionId as ExecutionId,
    job: { jobId: "j-1" as JobId, jobVersion: 1, jobName: "a job", partitionCount: 1, task: {} as Task },
    partition: 0,
    attempt: 1,
    epoch: 1,
    desired: "run",
    verdict: "open",
    askId: "",
    isAcceptedAtOnce: true,
  };
}

function ended(assignment: Assignment): ExecutionRecord {
  return { ...newRecord(assignment), observed: { state: "completed" } };
}

function holding(appliedToken: string, ...records: readonly ExecutionRecord[]): Held {
  return { appliedToken, records: new Map(records.map((record) => [record.assignment.executionId, record])) };
}

function increment(appliesTo: string, resultsIn: string, assignments: readonly Assignment[]): AssignmentSet {
  return { appliesTo, resultsIn, isComplete: false, assignments, releasedExecutionIds: [], releasedAskIds: [] };
}

function complete(resultsIn: string, assignments: readonly Assignment[]): AssignmentSet {
  return { appliesTo: "", resultsIn, isComplete: true, assignments, releasedExecutionIds: [], releasedAskIds: [] };
}
