import type { Output } from "./terminal.ts";

const STYLES: Readonly<Record<string, Parameters<Output["style"]>[0]>> = {
  completed: "green",
  running: "cyan",
  preparing: "cyan",
  failed: "red",
  lost: "red",
  rejected: "yellow",
  queued: "yellow",
  stopped: "dim",
  cancelled: "dim",
};

/** A state in its colour; the word says everything without it. */
export function styleState(cell: string, _row: unknown, output: Output): string {
  const style = STYLES[cell];
  return style === undefined ? cell : output.style(style, cell);
}
