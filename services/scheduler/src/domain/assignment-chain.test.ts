import type { ExecutionId } from "@skrei/domain";
import { expect, test } from "vitest";
import { AssignmentChain } from "./assignment-chain.ts";
import type { ChainedAssignment } from "./assignment-chain.ts";

function anAssignment(id: string, overrides: Partial<ChainedAssignment> = {}): ChainedAssignment {
  return { executionId: id as ExecutionId, desired: "run", verdict: "open", isAcceptedAtOnce: true, ...overrides };
}

const SIZE = { bytes: 1_000, bytesOf: () => 300 };

/** A chain whose complete set, of `ids`, the node has applied. */
function settled(...ids: string[]): AssignmentChain<ChainedAssignment> {
  const chain = new AssignmentChain<ChainedAssignment>("1");
  for (const id of ids) chain.put(anAssignment(id));
  const set = chain.take(SIZE);
  if (set === undefined) throw new Error("nothing to send");
  expect(set).toMatchObject({ isComplete: true, appliesTo: "" });
  chain.acknowledge(set, set.resultsIn);
  return chain;
}

test("the first message is complete, what follows chains to it by token", () => {
  const chain = settled("a");
  expect(chain.take(SIZE)).toBeUndefined();
  chain.put(anAssignment("b"));
  expect(chain.take(SIZE)).toMatchObject({ isComplete: false, appliesTo: "1.1", resultsIn: "1.2", assignments: [{ executionId: "b" }] });
});

test("only the scheduler's own fields make news", () => {
  const chain = settled("a");
  chain.put(anAssignment("a"));
  chain.put(anAssignment("a", { verdict: "accepted" }));
  expect(chain.isDirty).toBe(false);
  chain.put(anAssignment("a", { desired: "stop" }));
  expect(chain.take(SIZE)?.assignments).toMatchObject([{ executionId: "a", desired: "stop" }]);
});

test("one message is under way at a time; what changes meanwhile is in the next", () => {
  const chain = settled();
  chain.put(anAssignment("a"));
  const first = chain.take(SIZE);
  chain.put(anAssignment("b"));
  expect(chain.take(SIZE)).toBeUndefined();
  if (first !== undefined) chain.acknowledge(first, first.resultsIn);
  expect(chain.take(SIZE)?.assignments).toMatchObject([{ executionId: "b" }]);
});

test.each([
  ["no answer", (chain: AssignmentChain<ChainedAssignment>) => chain.fail(taken(chain))],
  ["a gap", (chain: AssignmentChain<ChainedAssignment>) => expect(chain.acknowledge(taken(chain), "0.9")).toBe(false)],
  ["a reset", (chain: AssignmentChain<ChainedAssignment>) => chain.reset()],
])("after %s the next message is the complete set", (_, doubt) => {
  const chain = settled("a");
  chain.put(anAssignment("b"));
  doubt(chain);
  expect(chain.take(SIZE)).toMatchObject({ isComplete: true, appliesTo: "", assignments: [{ executionId: "a" }, { executionId: "b" }] });
});

test("ended executions are released once and are no longer part of complete sets", () => {
  const chain = settled("a", "b");
  chain.release("a" as ExecutionId);
  expect(chain.take(SIZE)).toMatchObject({ assignments: [], releasedExecutionIds: ["a"] });
  chain.reset();
  expect(chain.settledToken).toBeUndefined();
});

test("an increment is cut at its size, and the rest follows", () => {
  const chain = settled();
  for (const id of ["a", "b", "c", "d", "e"]) chain.put(anAssignment(id));
  const first = taken(chain);
  expect(first.assignments).toHaveLength(3);
  chain.acknowledge(first, first.resultsIn);
  expect(taken(chain).assignments.map(({ executionId }) => executionId)).toEqual(["d", "e"]);
});

function taken(chain: AssignmentChain<ChainedAssignment>): NonNullable<ReturnType<typeof chain.take>> {
  const set = chain.take(SIZE);
  if (set === undefined) throw new Error("nothing to send");
  return set;
}
