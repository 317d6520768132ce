import { createLiveLine } from "../output/live-line.ts";
import type { Output } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";

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
      if (output.isTty) live.show(progressText({ doneBytes, totalBytes, elapsedMs: nowMs() - startedAtMs }));
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
      if (!output.isTty) return;
      const seconds = Math.max(nowMs() - startedAtMs, 1) / 1_000;
      live.show(`  reading · ${formatBytes(doneBytes)} · ${formatBytes(doneBytes / seconds)}/s`);
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
  const bytesPerSecond = elapsedMs > 0 ? (doneBytes * 1_000) / elapsedMs : 0;
  const left = bytesPerSecond > 0 ? ` · ${secondsText((total - doneBytes) / bytesPerSecond)} left` : "";
  return `  ${formatBytes(doneBytes)} of ${formatBytes(total)} · ${formatBytes(bytesPerSecond)}/s${left}`;
}

function secondsText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3_600
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}
