import { KeptData_Kind } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { KeptData } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { msFromTimestamp } from "@skrei/wire/time.ts";
import type { Column } from "../output/table.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { formatDuration } from "../parse/parse-duration.ts";

export const KIND_WORDS = {
  result: KeptData_Kind.RESULT,
  manifest: KeptData_Kind.MANIFEST,
  upload: KeptData_Kind.UPLOAD,
  pin: KeptData_Kind.PIN,
} as const;

export type KindWord = keyof typeof KIND_WORDS;

/** A kind of a newer server reads `other`. */
export function kindOf({ kind }: Pick<KeptData, "kind">): string {
  return Object.entries(KIND_WORDS).find(([, value]) => value === kind)?.[0] ?? "other";
}

/** `in 6d23h`, `with its job`, `for good`, `ended`: until when it is kept. */
function untilOf({ kind, jobId, expireTime }: Pick<KeptData, "kind" | "jobId" | "expireTime">, nowMs: number): string {
  if (expireTime !== undefined) {
    const leftMs = msFromTimestamp(expireTime) - nowMs;
    return leftMs <= 0 ? "ended" : `in ${formatDuration(leftMs)}`;
  }
  const isOfJob = kind === KeptData_Kind.RESULT || kind === KeptData_Kind.MANIFEST;
  return isOfJob && jobId !== "" ? "with its job" : "for good";
}

/** `ends in 6d23h`, `ends with its job`, `for good`, `ended`: after what is kept. */
export function endsOf(kept: Pick<KeptData, "kind" | "jobId" | "expireTime">, nowMs: number): string {
  const until = untilOf(kept, nowMs);
  return until === "ended" || until === "for good" ? until : `ends ${until}`;
}

export function keptColumns(nowMs: number): readonly Column<KeptData>[] {
  return [
    { header: "KIND", value: kindOf },
    { header: "NAME", value: ({ name }) => name || "-" },
    { header: "CID", value: ({ cid }) => cid },
    { header: "SIZE", value: ({ sizeBytes }) => formatBytes(Number(sizeBytes)), isRight: true },
    { header: "JOB", value: ({ jobId }) => jobId || "-" },
    {
      header: "ENDS",
      value: (kept) => untilOf(kept, nowMs),
      style: (cell, _row, output) => (cell === "ended" ? output.style("yellow", cell) : cell),
    },
    {
      header: "AGE",
      value: ({ createTime }) => (createTime === undefined ? "-" : formatDuration(nowMs - msFromTimestamp(createTime))),
      isRight: true,
      isWide: true,
    },
    { header: "EXECUTION", value: ({ executionId }) => executionId || "-", isWide: true },
  ];
}
