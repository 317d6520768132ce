import { DomainError } from "@skrei/domain";
import type { Clock, OutputSink } from "../../ports.ts";
import { demultiplex } from "./demultiplex.ts";

/** Moves a container's output to the sink until it ends or the signal is aborted. */
export async function pumpOutput(pump: {
  readonly source: NodeJS.ReadableStream;
  readonly sink: OutputSink;
  readonly clock: Clock;
  readonly leaving: AbortSignal;
  /** Bytes that the sink has already. */
  readonly skip?: { readonly stdout: number; readonly stderr: number };
}): Promise<void> {
  const { sink, clock, leaving, skip } = pump;
  const stream = pump.source as NodeJS.ReadableStream & { destroy(error?: Error): void };
  const leave = (): void => stream.destroy();
  leaving.addEventListener("abort", leave, { once: true });
  try {
    await demultiplex(stream as AsyncIterable<Uint8Array>, sink, () => clock.nowMs(), skip);
  } catch (error) {
    // A destroyed stream is our own doing; a broken one ends the output, and the run's end tells what became of the run.
    if (!leaving.aborted && error instanceof DomainError) throw error;
  } finally {
    leaving.removeEventListener("abort", leave);
    stream.destroy();
  }
}
