import { create } from "@bufbuild/protobuf";
import { Execution_State, ExecutionSchema, Transfer_Kind, TransferSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { Job_State, JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { timestampFromMs } from "@skrei/wire/time.ts";
import { expect, test } from "vitest";
import { createProgressLines } from "./progress-lines.ts";
import { describeTransfer } from "./transfer-words.ts";

const moving = { kind: Transfer_Kind.INPUTS, bytesDone: 1_200_000_000n, bytesTotal: 3_400_000_000n };
const waiting = {
  kind: Transfer_Kind.RESULT,
  reason: "TARGET_UNAVAILABLE",
  message: "The bucket lake does not answer.",
  waitingSince: timestampFromMs(1_000),
};

test("says how far a transfer is, or why and since when it waits", () => {
  const words = (transfer: object): string => describeTransfer(create(TransferSchema, transfer), 121_000);
  expect(words(moving)).toBe("fetching inputs: 1.2GB of 3.4GB (35%)");
  expect(words({ ...moving, bytesTotal: 0n })).toBe("fetching inputs: 1.2GB");
  expect(words({ ...moving, bytesDone: 4_000_000_000n })).toBe("fetching inputs: 4GB of 3.4GB (100%)");
  expect(words(waiting)).toBe("publishing waits for 2m: The bucket lake does not answer (TARGET_UNAVAILABLE)");
});

test("a run tells each transfer once, each new reason to wait once, and sums up what moves", () => {
  const lines = createProgressLines();
  const job = create(JobSchema, { state: Job_State.RUNNING, spec: { count: 2 } });
  const execution = (partition: number, transfer: object): Execution =>
    create(ExecutionSchema, { executionId: `e-${partition}`, partition, nodeId: "n-1", state: Execution_State.PREPARING, transfer });
  const snapshot = (...executions: readonly Execution[]): Parameters<typeof lines.update>[0] => ({
    job,
    executions,
    nodeNames: new Map([["n-1", "lab-1"]]),
    nowMs: 0,
  });
  const both = snapshot(execution(0, moving), execution(1, { ...moving, bytesDone: 0n }));
  expect(lines.update(both)).toEqual([
    "  ✓ planned   2 parts",
    "  · part 0    lab-1  fetching inputs, 3.4GB",
    "  · part 1    lab-1  fetching inputs, 3.4GB",
  ]);
  expect(lines.update(both)).toEqual([]);
  expect(lines.summary(both)).toContain("fetching inputs: 1.2GB of 6.8GB (17%)");
  const late = snapshot(execution(0, waiting));
  expect(lines.update(late)).toEqual(["  ! part 0    lab-1  publishing waits: The bucket lake does not answer. (TARGET_UNAVAILABLE)"]);
  expect(lines.update(late)).toEqual([]);
});
