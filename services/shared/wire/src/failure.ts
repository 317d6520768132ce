import { create } from "@bufbuild/protobuf";
import type { Failure, FailureClass, Reason } from "@skrei/domain";
import { FailureSchema, Failure_Class } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Failure as PbFailure } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { reverse } from "./enum-table.ts";

const CLASS_TO_PROTO = {
  user: Failure_Class.USER,
  resource: Failure_Class.RESOURCE,
  infrastructure: Failure_Class.INFRASTRUCTURE,
} as const satisfies Record<FailureClass, Failure_Class>;

const CLASS_FROM_PROTO = reverse<FailureClass>(CLASS_TO_PROTO);

export function failureToProto(failure: Failure): PbFailure {
  return create(FailureSchema, { ...failure, class: CLASS_TO_PROTO[failure.class] });
}

/** A class that this version does not know counts as infrastructure: nobody is blamed, and it may be tried again. */
export function failureFromProto(pb: PbFailure): Failure {
  return {
    class: CLASS_FROM_PROTO.get(pb.class) ?? "infrastructure",
    reason: reasonFromProto(pb.reason) ?? "ENGINE_FAILED",
    message: pb.message,
    hint: pb.hint,
  };
}

/** Undefined for an empty or malformed text. A newer peer's reason is carried as it is: it means more to people than a stand-in. */
export function reasonFromProto(text: string): Reason | undefined {
  return REASON.test(text) ? (text as Reason) : undefined;
}

const REASON = /^[A-Z][A-Z0-9_]{0,62}$/u;
