import { contentIdRule, DomainError } from "@skrei/domain";
import type { ExecutionReport, Failure } from "@skrei/domain";
import type { ExecutionReport as PbExecutionReport } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { reportFromProto } from "@skrei/wire/report.ts";
import { cutText } from "../domain/cut-text.ts";
import { boundedDeliveryUrl, boundedInputs, boundedTime, boundedTransfer } from "./bounded-data.ts";
import { boundedUse } from "./bounded-network.ts";

/**
 * What a node says of an execution, within bounds: it is stored and shown to everybody, and its content ids become links.
 * Undefined for a state that this version does not know.
 * @throws DomainError invalid/CONTENT_ID_INVALID.
 */
export function parseReport(pb: PbExecutionReport): ExecutionReport | undefined {
  const report = reportFromProto(pb);
  if (report === undefined) return undefined;
  for (const cid of [report.resultCid, report.manifestCid]) checkContentId(cid);
  const { failure, networkUse, inputs, transfer, deliveryUrl, startedAtMs, endedAtMs } = report;
  return {
    ...report,
    ...(failure !== undefined && { failure: shortened(failure) }),
    ...(networkUse !== undefined && { networkUse: boundedUse(networkUse) }),
    ...(inputs !== undefined && { inputs: boundedInputs(inputs) }),
    ...(transfer !== undefined && { transfer: boundedTransfer(transfer) }),
    ...(deliveryUrl !== undefined && { deliveryUrl: boundedDeliveryUrl(deliveryUrl) }),
    ...(startedAtMs !== undefined && { startedAtMs: boundedTime(startedAtMs) }),
    ...(endedAtMs !== undefined && { endedAtMs: boundedTime(endedAtMs) }),
  };
}

function checkContentId(cid: string | undefined): void {
  const allowed = cid === undefined ? undefined : contentIdRule(cid);
  if (allowed === undefined) return;
  throw new DomainError("invalid", "CONTENT_ID_INVALID", `A result has the content id "${cid?.slice(0, 128)}"; allowed is ${allowed}.`);
}

function shortened(failure: Failure): Failure {
  const { message, hint } = failure;
  if (message.length <= TEXT_LENGTH_MAX && hint.length <= TEXT_LENGTH_MAX) return failure;
  return { ...failure, message: cutText(message, TEXT_LENGTH_MAX), hint: cutText(hint, TEXT_LENGTH_MAX) };
}

/** The words of a failure go into the execution, its event and its job. */
const TEXT_LENGTH_MAX = 4_096;
