import { Transfer_Kind } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution, Transfer } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { msFromTimestamp } from "@skrei/wire/time.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { formatDuration } from "../parse/parse-duration.ts";
import { hasEnded } from "./job-words.ts";

/** `fetches inputs: 1.2GB of 3.4GB (35%)`, `publishing waits for 2m: the bucket does not answer (TARGET_UNAVAILABLE)`. */
export function describeTransfer(transfer: Transfer, nowMs: number): string {
  const what = transfer.kind === Transfer_Kind.RESULT ? "publishing" : "fetching inputs";
  if (transfer.reason !== "") {
    const { waitingSince, message, reason } = transfer;
    const since = waitingSince === undefined ? "" : ` for ${formatDuration(nowMs - msFromTimestamp(waitingSince))}`;
    return `${what} waits${since}: ${message.replace(/\.$/u, "")} (${reason})`;
  }
  return `${what}: ${describeAmount(transfer)}`;
}

/** `1.2GB of 3.4GB (35%)`; what is done alone while the total is unknown. */
function describeAmount({ bytesDone, bytesTotal }: Pick<Transfer, "bytesDone" | "bytesTotal">): string {
  const done = formatBytes(Number(bytesDone));
  if (bytesTotal <= 0n) return done;
  const percent = Math.min(100, Math.floor((Number(bytesDone) * 100) / Number(bytesTotal)));
  return `${done} of ${formatBytes(Number(bytesTotal))} (${percent}%)`;
}

/** All that is under way at once: `fetching inputs: 1.2GB of 3.4GB (35%)`; empty when nothing is. */
export function summarizeTransfers(executions: readonly Execution[]): readonly string[] {
  const live = executions.filter((execution) => !hasEnded(execution)).flatMap(({ transfer }) => (transfer === undefined ? [] : [transfer]));
  return [Transfer_Kind.INPUTS, Transfer_Kind.RESULT].flatMap((kind) => {
    const moving = live.filter((transfer) => transfer.kind === kind && transfer.reason === "");
    if (moving.length === 0) return [];
    const isKnown = moving.every(({ bytesTotal }) => bytesTotal > 0n);
    const bytesDone = moving.reduce((sum, transfer) => sum + transfer.bytesDone, 0n);
    const bytesTotal = isKnown ? moving.reduce((sum, transfer) => sum + transfer.bytesTotal, 0n) : 0n;
    return [`${kind === Transfer_Kind.RESULT ? "publishing" : "fetching inputs"}: ${describeAmount({ bytesDone, bytesTotal })}`];
  });
}
