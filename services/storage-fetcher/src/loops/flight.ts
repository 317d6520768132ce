import { DomainError } from "@skrei/domain";
import type { FetchTarget } from "../ports.ts";

export interface FetchProgress {
  readonly bytesDone: number;
  /** 0 when unknown. */
  readonly bytesTotal: number;
}

export interface FlightEnd {
  readonly key: string;
  readonly wasCached: boolean;
  /** Bytes that came from the source. */
  readonly movedBytes: number;
}

/** One fetch with all who wait for it. It is cancelled when the last of them leaves. */
export class Flight {
  readonly bytesMax: number;
  readonly ended: Promise<FlightEnd>;
  readonly #controller = new AbortController();
  readonly #waiting = new Set<(progress: FetchProgress) => void>();

  #isClaimed = false;

  constructor(bytesMax: number, load: (target: Pick<FetchTarget, "bytesMax" | "onBytes" | "signal">) => Promise<FlightEnd>) {
    this.bytesMax = bytesMax;
    const onBytes = (bytesDone: number, bytesTotal: number): void => {
      for (const tell of this.#waiting) tell({ bytesDone, bytesTotal });
    };
    this.ended = load({ bytesMax, onBytes, signal: this.#controller.signal });
  }

  /** What the flight moved, to the first who asks, and 0 to the others: sums over executions tell what the network carried. */
  claimMovedBytes({ movedBytes }: FlightEnd): number {
    if (this.#isClaimed) return 0;
    this.#isClaimed = true;
    return movedBytes;
  }

  async wait(onProgress: (progress: FetchProgress) => void, signal: AbortSignal): Promise<FlightEnd> {
    signal.throwIfAborted();
    this.#waiting.add(onProgress);
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([this.ended, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      this.#waiting.delete(onProgress);
      if (this.#waiting.size === 0)
        this.#controller.abort(new DomainError("cancelled", "CANCELLED", "Nobody waits for the fetch any more."));
    }
  }
}
