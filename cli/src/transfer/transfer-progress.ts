import { createLiveLine } from "../output/live-line.ts";
import type { Output } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";

/** What came in the first moments says nothing of the rest. */
const RATED_AFTER_MS = 1_000;

/** One line about a download that goes on: `  1.2GB of 3.4GB · 210MB/s · 10 s left`. */
export interface TransferProgress {
  add(sizeBytes: number): void;
  clear(): Promise<void>;
}

export function createTransferProgress(
  output: Output,
  totalBytes: number,
  nowMs: () => number = () => performance.now(),
): TransferProgress {
  const live = createLiveLine(output, nowMs);
  const startedAtMs = nowMs();
  let doneBytes = 0;
  return {
    add(sizeBytes) {
      doneBytes += sizeBytes;
      live.show(() => progressText({ doneBytes, totalBytes, elapsedMs: nowMs() - startedAtMs }));
    },
    clear: () => live.clear(),
  };
}

/** One line about what is read here first: `  reading · 1.2GB · 400MB/s`. */
export function createReadProgress(output: Output, nowMs: () => number = () => performance.now()): TransferProgress {
  const live = createLiveLine(output, nowMs);
  const startedAtMs = nowMs();
  let doneBytes = 0;
  return {
    add(sizeBytes) {
      doneBytes += sizeBytes;
      live.show(() => `  reading · ${formatBytes(doneBytes)}${rateText(doneBytes, nowMs() - startedAtMs)}`);
    },
    clear: () => live.clear(),
  };
}

export function progressText({
  doneBytes,
  totalBytes,
  elapsedMs,
}: {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly elapsedMs: number;
}): string {
  // What is told beforehand of one output is a claim, and may be too low.
  const total = Math.max(doneBytes, totalBytes);
  const leftSeconds = ((total - doneBytes) * elapsedMs) / doneBytes / 1_000;
  const left = doneBytes > 0 && elapsedMs >= RATED_AFTER_MS ? ` · ${secondsText(leftSeconds)} left` : "";
  return `  ${formatBytes(doneBytes)} of ${formatBytes(total)}${rateText(doneBytes, elapsedMs)}${left}`;
}

function rateText(doneBytes: number, elapsedMs: number): string {
  return elapsedMs < RATED_AFTER_MS ? "" : ` · ${formatBytes((doneBytes * 1_000) / elapsedMs)}/s`;
}

function secondsText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3_600
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}
