import type { OutputSink, OutputStream } from "@skrei/compute-agent/ports";

/** An OutputSink that keeps everything in memory and yields between pieces, as a disk would. */
export class CollectedOutput implements OutputSink {
  readonly #pieces: Record<OutputStream, Uint8Array[]> = { stdout: [], stderr: [] };

  async write(stream: OutputStream, data: Uint8Array): Promise<void> {
    this.#pieces[stream].push(Uint8Array.from(data));
    await new Promise((resolve) => setImmediate(resolve));
  }

  bytesTaken(stream: OutputStream): number {
    return this.#pieces[stream].reduce((sum, piece) => sum + piece.length, 0);
  }

  get stdout(): string {
    return Buffer.concat(this.#pieces.stdout).toString("utf8");
  }

  get stderr(): string {
    return Buffer.concat(this.#pieces.stderr).toString("utf8");
  }
}
