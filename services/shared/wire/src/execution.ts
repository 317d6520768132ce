import { create } from "@bufbuild/protobuf";
import type { Desired, Execution, ExecutionId, ExecutionState, JobId, NodeId, Outcome, Verdict } from "@skrei/domain";
import { ExecutionSchema, Execution_Desired, Execution_State, Execution_Verdict } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution as PbExecution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { inputUseFromProto, inputUseToProto, transferFromProto, transferToProto } from "./data-use.ts";
import { reverse } from "./enum-table.ts";
import { failureFromProto, failureToProto } from "./failure.ts";
import { networkUseFromProto, networkUseToProto } from "./network.ts";
import { msFromTimestamp, msOrZero, timestampFromMs } from "./time.ts";

export const EXECUTION_STATE_TO_PROTO = {
  assigned: Execution_State.ASSIGNED,
  preparing: Execution_State.PREPARING,
  running: Execution_State.RUNNING,
  proposing: Execution_State.PROPOSING,
  publishing: Execution_State.PUBLISHING,
  completed: Execution_State.COMPLETED,
  failed: Execution_State.FAILED,
  rejected: Execution_State.REJECTED,
  cancelled: Execution_State.CANCELLED,
  discarded: Execution_State.DISCARDED,
  lost: Execution_State.LOST,
} as const satisfies Record<ExecutionState, Execution_State>;

export const DESIRED_TO_PROTO = { run: Execution_Desired.RUN, stop: Execution_Desired.STOP } as const satisfies Record<
  Desired,
  Execution_Desired
>;

export const VERDICT_TO_PROTO = {
  open: Execution_Verdict.OPEN,
  accepted: Execution_Verdict.ACCEPTED,
  rejected: Execution_Verdict.REJECTED,
} as const satisfies Record<Verdict, Execution_Verdict>;

/** Undefined for a state of a newer peer. */
export const EXECUTION_STATE_FROM_PROTO = reverse<ExecutionState>(EXECUTION_STATE_TO_PROTO);
export const DESIRED_FROM_PROTO = reverse<Desired>(DESIRED_TO_PROTO);
export const VERDICT_FROM_PROTO = reverse<Verdict>(VERDICT_TO_PROTO);

export function executionToProto(execution: Execution): PbExecution {
  return create(ExecutionSchema, {
    executionId: execution.id,
    jobId: execution.jobId,
    jobVersion: execution.jobVersion,
    partition: execution.partition,
    attempt: execution.attempt,
    nodeId: execution.nodeId,
    epoch: BigInt(execution.epoch),
    desired: DESIRED_TO_PROTO[execution.desired],
    verdict: VERDICT_TO_PROTO[execution.verdict],
    state: EXECUTION_STATE_TO_PROTO[execution.state],
    createTime: timestampFromMs(execution.createdAtMs),
    ...outcomeToProto(execution),
  });
}

/** A state that this version does not know reads as running, or as failed when the execution has ended. */
export function executionFromProto(pb: PbExecution): Execution {
  return {
    id: pb.executionId as ExecutionId,
    jobId: pb.jobId as JobId,
    jobVersion: pb.jobVersion,
    partition: pb.partition,
    attempt: pb.attempt,
    nodeId: pb.nodeId as NodeId,
    epoch: Number(pb.epoch),
    desired: DESIRED_FROM_PROTO.get(pb.desired) ?? "run",
    verdict: VERDICT_FROM_PROTO.get(pb.verdict) ?? "open",
    state: EXECUTION_STATE_FROM_PROTO.get(pb.state) ?? (pb.endTime === undefined ? "running" : "failed"),
    createdAtMs: msOrZero(pb.createTime),
    ...outcomeFromProto(pb),
  };
}

type PbOutcome = Pick<
  PbExecution,
  | "exitCode"
  | "failure"
  | "resultCid"
  | "resultBytes"
  | "manifestCid"
  | "peakMemoryBytes"
  | "networkUse"
  | "inputs"
  | "transfer"
  | "deliveryUrl"
  | "startTime"
  | "endTime"
>;

/** Absent stays absent. */
export function outcomeToProto(outcome: Outcome): Partial<PbOutcome> {
  const { exitCode, failure, peakMemoryBytes, networkUse, startedAtMs, endedAtMs } = outcome;
  return {
    ...(exitCode !== undefined && { exitCode }),
    ...(failure !== undefined && { failure: failureToProto(failure) }),
    ...(peakMemoryBytes !== undefined && { peakMemoryBytes: BigInt(Math.trunc(peakMemoryBytes)) }),
    ...(networkUse !== undefined && { networkUse: networkUseToProto(networkUse) }),
    ...(startedAtMs !== undefined && { startTime: timestampFromMs(startedAtMs) }),
    ...(endedAtMs !== undefined && { endTime: timestampFromMs(endedAtMs) }),
    ...dataToProto(outcome),
  };
}

/** Proto's empty values become absent; `resultBytes` is there exactly when `resultCid` is. */
export function outcomeFromProto(pb: PbOutcome): Outcome {
  return {
    ...(pb.exitCode !== undefined && { exitCode: pb.exitCode }),
    ...(pb.failure !== undefined && { failure: failureFromProto(pb.failure) }),
    ...(pb.peakMemoryBytes !== 0n && { peakMemoryBytes: Number(pb.peakMemoryBytes) }),
    ...(pb.networkUse !== undefined && { networkUse: networkUseFromProto(pb.networkUse) }),
    ...(pb.startTime !== undefined && { startedAtMs: msFromTimestamp(pb.startTime) }),
    ...(pb.endTime !== undefined && { endedAtMs: msFromTimestamp(pb.endTime) }),
    ...dataFromProto(pb),
  };
}

/** What went in and what came out. */
function dataToProto({ resultCid, resultBytes, manifestCid, inputs, transfer, deliveryUrl }: Outcome): Partial<PbOutcome> {
  return {
    ...(resultCid !== undefined && { resultCid }),
    ...(resultBytes !== undefined && { resultBytes: BigInt(resultBytes) }),
    ...(manifestCid !== undefined && { manifestCid }),
    ...(inputs !== undefined && { inputs: inputs.map(inputUseToProto) }),
    ...(transfer !== undefined && { transfer: transferToProto(transfer) }),
    ...(deliveryUrl !== undefined && { deliveryUrl }),
  };
}

function dataFromProto(pb: PbOutcome): Partial<Outcome> {
  return {
    ...(pb.resultCid !== "" && { resultCid: pb.resultCid, resultBytes: Number(pb.resultBytes) }),
    ...(pb.manifestCid !== "" && { manifestCid: pb.manifestCid }),
    ...(pb.inputs.length > 0 && { inputs: pb.inputs.map(inputUseFromProto) }),
    ...(pb.transfer !== undefined && { transfer: transferFromProto(pb.transfer) }),
    ...(pb.deliveryUrl !== "" && { deliveryUrl: pb.deliveryUrl }),
  };
}
