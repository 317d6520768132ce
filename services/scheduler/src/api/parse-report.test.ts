import { toJson } from "@bufbuild/protobuf";
import type { ExecutionId, ExecutionReport, Transfer } from "@skrei/domain";
import { ExecutionReportSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { reportToProto } from "@skrei/wire/report.ts";
import { expect, test } from "vitest";
import { parseReport } from "./parse-report.ts";

const executionId = "e-00000000000000000000000001" as ExecutionId;

function parsed(facts: Partial<ExecutionReport>): ExecutionReport | undefined {
  return parseReport(reportToProto({ executionId, epoch: 1, state: "preparing", ...facts }));
}

test("what a node tells of data goes through as it is", () => {
  const inputs = [{ target: "/in", digest: "cid:x", sizeBytes: 7, movedBytes: 0 }];
  const waiting = { reason: "TARGET_UNAVAILABLE", message: "no answer", sinceMs: 1_000 } as const;
  const transfer: Transfer = { kind: "result", bytesDone: 1, bytesTotal: 2, waiting };
  const deliveryUrl = "s3://bucket/key";
  expect(parsed({ inputs, transfer, deliveryUrl })).toMatchObject({ inputs, transfer, deliveryUrl });
});

test("a node that tells too much is cut to bounds, and can be told on in JSON", () => {
  const long = "x".repeat(1_000_000);
  const input = { target: long, digest: long, sizeBytes: -1, movedBytes: -1 };
  const waiting = { reason: "TARGET_UNAVAILABLE", message: long, sinceMs: 1e17 } as const;
  const report = parsed({
    inputs: Array.from({ length: 65 }, () => input),
    transfer: { kind: "inputs", bytesDone: -1, bytesTotal: 2 ** 62, waiting },
    deliveryUrl: long,
    startedAtMs: -1e17,
    endedAtMs: 1e17,
  });
  if (report === undefined) throw new Error("the report is of a known state");
  expect(report.inputs).toHaveLength(64);
  expect(report.inputs?.[0]).toMatchObject({ sizeBytes: 0, movedBytes: 0 });
  expect(report.transfer).toMatchObject({ bytesDone: 0, bytesTotal: Number.MAX_SAFE_INTEGER });
  expect(JSON.stringify(toJson(ExecutionReportSchema, reportToProto(report))).length).toBeLessThan(100_000);
});
