import { create } from "@bufbuild/protobuf";
import type { ExecutionId, ExecutionReport } from "@skrei/domain";
import { ExecutionReportSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { ExecutionReport as PbExecutionReport } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { EXECUTION_STATE_FROM_PROTO, EXECUTION_STATE_TO_PROTO, outcomeFromProto, outcomeToProto } from "./execution.ts";

export function reportToProto(report: ExecutionReport): PbExecutionReport {
  return create(ExecutionReportSchema, {
    executionId: report.executionId,
    epoch: BigInt(report.epoch),
    state: EXECUTION_STATE_TO_PROTO[report.state],
    ...outcomeToProto(report),
  });
}

/** Undefined for a state that this version does not know: such a report changes nothing. */
export function reportFromProto(pb: PbExecutionReport): ExecutionReport | undefined {
  const state = EXECUTION_STATE_FROM_PROTO.get(pb.state);
  if (state === undefined) return undefined;
  return { executionId: pb.executionId as ExecutionId, epoch: Number(pb.epoch), state, ...outcomeFromProto(pb) };
}
