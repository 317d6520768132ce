import { create } from "@bufbuild/protobuf";
import { Execution_State, ExecutionSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { Job_State, JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { expect, test } from "vitest";
import { createProgressLines } from "./progress-lines.ts";

const failure = { reason: "SOURCE_UNREACHABLE", message: "s3://in/x: nobody answers." };
const rejected = create(ExecutionSchema, { executionId: "e-1", nodeId: "n-1", state: Execution_State.REJECTED, failure });

function linesAbout(state: Job_State): readonly string[] {
  const job = create(JobSchema, { state, spec: { count: 1 } });
  return createProgressLines().update({ job, executions: [rejected], nodeNames: new Map([["n-1", "lab-1"]]), nowMs: 0 });
}

test("a part that a node rejected is said to be tried again, unless that was the last time", () => {
  expect(linesAbout(Job_State.RUNNING)).toContain("  ! part 0    lab-1  s3://in/x: nobody answers; it is tried again");
  expect(linesAbout(Job_State.FAILED)).toContain("  ! part 0    lab-1  s3://in/x: nobody answers");
});
