import type { Output } from "./terminal.ts";

const INTERVAL_MS = 100;

/** One line at the bottom of a terminal that is repainted in place; nothing at all elsewhere. */
export interface LiveLine {
  show(text: string): void;
  /** Before anything else is written to the terminal. */
  clear(): Promise<void>;
}

export function createLiveLine(output: Output, nowMs: () => number): LiveLine {
  let isShown = false;
  let paintedAtMs = Number.NEGATIVE_INFINITY;
  return {
    show(text) {
      if (!output.isTty || nowMs() - paintedAtMs < INTERVAL_MS) return;
      paintedAtMs = nowMs();
      isShown = true;
      void output.write(`\r\u001B[2K${text.slice(0, Math.max(0, output.columns - 1))}`);
    },
    async clear() {
      if (!isShown) return;
      isShown = false;
      await output.write("\r\u001B[2K");
    },
  };
}
