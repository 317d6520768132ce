import { create } from "@bufbuild/protobuf";
import { ExecutionSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { InputPartition_By } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { expect, test } from "vitest";
import { createTestTerminal } from "../test-terminal.ts";
import { renderInputs } from "./input-table.ts";

const { stdout } = createTestTerminal();
const job = create(JobSchema, {
  spec: {
    task: {
      inputs: [
        {
          target: "/in",
          source: { case: "s3", value: { bucket: "lake", key: "a\u001B[31m/*" } },
          partition: { by: InputPartition_By.LINES, glob: "*.csv" },
        },
        { target: "/ref", source: { case: "content", value: { cid: "bafyref", path: "" } } },
        { target: "/host", source: { case: "local", value: { path: "/data", writable: true } } },
      ],
    },
  },
});

function attempt(partition: number, inBytes: bigint, refMoved: bigint): Execution {
  return create(ExecutionSchema, {
    executionId: `e-${partition}`,
    partition,
    attempt: 1,
    jobVersion: 1,
    inputs: [
      { target: "/in", digest: `sha256:${partition}`, sizeBytes: inBytes, movedBytes: inBytes },
      { target: "/ref", digest: "cid:bafyref", sizeBytes: 1_000n, movedBytes: refMoved },
      { target: "/host", digest: "", sizeBytes: 7n, movedBytes: 0n },
    ],
  });
}

test("tells an input once where all parts got the same, else by part, and counts what moved", () => {
  expect(renderInputs(job, [attempt(1, 20n, 0n), attempt(0, 10n, 1_000n)], stdout)).toEqual(
    [
      "INPUT  PART  SIZE  MOVED                 SOURCE                               CONTENT",
      "/in       0   10B  10B                   s3://lake/a/*, by lines of *.csv     sha256:0",
      "/in       1   20B  20B                   s3://lake/a/*, by lines of *.csv     sha256:1",
      "/ref    all   1kB  1kB by 1 of 2 parts   cid:bafyref                          as named",
      "/host   all    7B  in place              file:///data (writable)              -",
    ].map((line) =>
      expect.stringMatching(new RegExp(`^${line.replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&").replaceAll(/ +/gu, " +")}$`, "u")),
    ),
  );
});

test("names content by what it was named as, such as the output of a job, beside its content id", () => {
  const source = { case: "content" as const, value: { cid: "bafyout", path: "" } };
  const named = create(JobSchema, { spec: { task: { inputs: [{ target: "/ref", alias: "job:j-01/out\u001B[31m", source }] } } });
  const cells = (executions: readonly Execution[]): readonly string[] => renderInputs(named, executions, stdout)[1]?.split(/ {2,}/u) ?? [];
  expect(cells([attempt(0, 0n, 0n)])).toEqual(["/ref", "1kB", "cached", "job:j-01/out", "cid:bafyref"]);
  expect(cells([])).toEqual(["/ref", "-", "-", "job:j-01/out", "cid:bafyout"]);
});

test("names eight parts that differ, and counts the rest", () => {
  const lines = renderInputs(
    job,
    Array.from({ length: 11 }, (_, part) => attempt(part, 10n, 0n)),
    stdout,
  );
  expect(lines.filter((line) => line.startsWith("/in"))).toHaveLength(9);
  expect(lines[9]).toMatch(/^\/in +\+3 +- +30B by 3 of 3 parts/u);
  expect(lines[10]).toMatch(/^\/ref +all +1kB +cached/u);
});

test("says what is asked for before anything is known, and nothing of a job without inputs", () => {
  expect(
    renderInputs(job, [], stdout)
      .slice(1)
      .map((line) => line.split(/ +/u).slice(0, 3)),
  ).toEqual([
    ["/in", "-", "-"],
    ["/ref", "-", "-"],
    ["/host", "-", "-"],
  ]);
  expect(renderInputs(create(JobSchema), [], stdout)).toEqual([]);
});
