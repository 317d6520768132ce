import type { Output } from "./terminal.ts";

const INTERVAL_MS = 100;
/** Where lines stay, as in the log of a build, only what lasts is told of. */
const PLAIN_INTERVAL_MS = 10_000;

/** One line at the bottom of a terminal that is repainted in place; elsewhere a line of its own every ten seconds. */
export interface LiveLine {
  show(text: () => string): void;
  /** Before anything else is written to the terminal. */
  clear(): Promise<void>;
}

export function createLiveLine(output: Output, nowMs: () => number): LiveLine {
  let isShown = false;
  let paintedAtMs = output.isTty ? Number.NEGATIVE_INFINITY : nowMs();
  return {
    show(text) {
      if (nowMs() - paintedAtMs < (output.isTty ? INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
      paintedAtMs = nowMs();
      isShown = output.isTty;
      void output.write(output.isTty ? `\r\u001B[2K${text().slice(0, Math.max(0, output.columns - 1))}` : `${text()}\n`);
    },
    async clear() {
      if (!isShown) return;
      isShown = false;
      await output.write("\r\u001B[2K");
    },
  };
}
