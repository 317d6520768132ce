import { WINDOW_BYTES, WINDOW_MESSAGES } from "./nats-reader.ts";

/** What one stream has sent and its reader has not consumed yet. Acknowledgements are cumulative, so a lost one does no harm. */
export class NatsWindow {
  readonly #sizes: number[] = [];
  #sent = 0;
  #acknowledged = 0;
  #bytes = 0;
  #wake: (() => void) | undefined;

  /** Messages sent so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Counts a message that was sent. */
  add(bytes: number): void {
    this.#sent++;
    this.#sizes.push(bytes);
    this.#bytes += bytes;
  }

  /** The reader has consumed all messages up to `sequence`. */
  acknowledge(sequence: number): void {
    while (this.#acknowledged < Math.min(sequence, this.#sent)) {
      this.#acknowledged++;
      this.#bytes -= this.#sizes.shift() ?? 0;
    }
    if (this.#hasRoom()) this.#wake?.();
  }

  /** Resolves when one more message may be sent; rejects with the signal's reason. */
  async room(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw signal.reason;
    if (this.#hasRoom()) return;
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#wake = () => {
        this.#wake = undefined;
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
    });
  }

  #hasRoom(): boolean {
    return this.#sizes.length < WINDOW_MESSAGES && (this.#bytes < WINDOW_BYTES || this.#sizes.length === 0);
  }
}
