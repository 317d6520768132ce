import type { Execution, ExecutionId, ExecutionState } from "@skrei/domain";
import fc from "fast-check";
import { expect, test } from "vitest";
import { anExecution, POLICY } from "../../../../test/kit/scheduler-records.ts";
import { PartitionTable } from "./partition-table.ts";

const NOW = { random: 0, fittingNodes: () => 1, nowMs: 0 };

function execution(partition: number, attempt: number, state: ExecutionState): Execution {
  const id = `e-${String(partition)}-${String(attempt)}` as ExecutionId;
  const verdict = state === "completed" ? "accepted" : "open";
  return anExecution({ id, partition, attempt, state, verdict, ...(state === "failed" && { exitCode: partition + 1 }) });
}

test("the failure and exit code of a job are those of its first failed partition", () => {
  const table = new PartitionTable(3, POLICY);
  for (const partition of [2, 1, 0]) {
    const ended = execution(partition, 1, partition === 0 ? "completed" : "failed");
    table.place(partition, ended.id);
    table.end({ ...ended, failure: { class: "user", reason: "EXIT_NONZERO", message: `partition ${String(partition)}`, hint: "" } }, NOW);
  }
  expect(table.isEveryPartitionEnded).toBe(true);
  expect(table.failure?.message).toBe("partition 1");
  expect(table.exitCode).toBe(2);
});

test("a wait before the next attempt says until when and why, until it is over", () => {
  const table = new PartitionTable(1, POLICY);
  const refused = execution(0, 1, "rejected");
  table.place(0, refused.id);
  const failure = { class: "infrastructure", reason: "IMAGE_PULL_FAILED", message: "no such image", hint: "" } as const;
  expect(table.end({ ...refused, failure }, { ...NOW, nowMs: 50 })).toEqual({ outcome: "backoff", delayMs: 1_000 });
  expect(table.backoff).toEqual({ untilMs: 1_050, failure });
  table.endBackoff(0);
  expect(table.backoff).toBeUndefined();
});

test("a partition that every node rejected for the same reason fails with it", () => {
  const table = new PartitionTable(1, { ...POLICY, attemptsMax: 1 });
  const refused = execution(0, 1, "rejected");
  table.place(0, refused.id);
  const failure = { class: "infrastructure", reason: "IMAGE_PULL_FAILED", message: "no such image", hint: "" } as const;
  table.end({ ...refused, failure }, NOW);
  expect(table.failure).toEqual({ ...failure, message: "no such image; tried on 1 node, same answer" });
});

test("the end of an execution that was replaced changes nothing", () => {
  const table = new PartitionTable(1, POLICY);
  table.place(0, "e-new" as ExecutionId);
  table.end(execution(0, 1, "completed"), NOW);
  expect(table.counts()).toEqual({ waiting: 0, running: 1, completed: 0, failed: 0 });
});

/** Ends each placed partition in the drawn way until nothing is left, and after each step compares with what must hold. */
test("no partition is lost, none is placed twice, counts always add up, and a restored table is the same", () => {
  const ends = fc.array(fc.constantFrom<ExecutionState>("completed", "failed", "rejected", "lost"), { minLength: 300, maxLength: 300 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9 }), ends, (count, batch, states) => {
      const table = new PartitionTable(count, { ...POLICY, retriesUserFailures: true, backoffMs: 0 });
      const history: Execution[] = [];
      const attempts = new Map<number, number>();
      for (const state of states) {
        const partitions = table.peekReady(batch);
        expect(new Set(partitions).size).toBe(partitions.length);
        expect(partitions).toHaveLength(Math.min(batch, table.ready));
        for (const partition of partitions) {
          const attempt = (attempts.get(partition) ?? 0) + 1;
          attempts.set(partition, attempt);
          const placed = execution(partition, attempt, state);
          table.place(partition, placed.id);
          history.push(placed);
          if (table.end(placed, NOW).outcome === "backoff") table.endBackoff(partition);
        }
        const { waiting, running, completed, failed } = table.counts();
        expect(waiting + running + completed + failed).toBe(count);
      }
      const restored = new PartitionTable(count, { ...POLICY, retriesUserFailures: true, backoffMs: 0 });
      restored.restore(history, () => 0);
      expect(restored.counts()).toEqual(table.counts());
      expect(new Set(restored.peekReady(count))).toEqual(new Set(table.peekReady(count)));
    }),
    { numRuns: 25 },
  );
});
