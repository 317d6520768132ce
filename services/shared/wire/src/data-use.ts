import { create } from "@bufbuild/protobuf";
import { parseReason } from "@skrei/domain";
import type { InputUse, Transfer } from "@skrei/domain";
import { InputUseSchema, Transfer_Kind, TransferSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { InputUse as PbInputUse, Transfer as PbTransfer } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { msOrZero, timestampFromMs } from "./time.ts";

export function inputUseToProto({ target, digest, sizeBytes, movedBytes }: InputUse): PbInputUse {
  return create(InputUseSchema, { target, digest, sizeBytes: BigInt(sizeBytes), movedBytes: BigInt(movedBytes) });
}

export function inputUseFromProto({ target, digest, sizeBytes, movedBytes }: PbInputUse): InputUse {
  return { target, digest, sizeBytes: Number(sizeBytes), movedBytes: Number(movedBytes) };
}

export function transferToProto({ kind, bytesDone, bytesTotal, waiting }: Transfer): PbTransfer {
  return create(TransferSchema, {
    kind: kind === "inputs" ? Transfer_Kind.INPUTS : Transfer_Kind.RESULT,
    bytesDone: BigInt(bytesDone),
    bytesTotal: BigInt(bytesTotal),
    ...(waiting !== undefined && {
      reason: waiting.reason,
      message: waiting.message,
      waitingSince: timestampFromMs(waiting.sinceMs),
    }),
  });
}

export function transferFromProto(pb: PbTransfer): Transfer {
  const { reason, message, waitingSince } = pb;
  return {
    kind: pb.kind === Transfer_Kind.RESULT ? "result" : "inputs",
    bytesDone: Number(pb.bytesDone),
    bytesTotal: Number(pb.bytesTotal),
    ...(reason !== "" && { waiting: { reason: parseReason(reason) ?? "REASON_UNKNOWN", message, sinceMs: msOrZero(waitingSince) } }),
  };
}
