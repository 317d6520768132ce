import { DomainError } from "@skrei/domain";
import type { Clock } from "../ports.ts";

/** Every ask of a job wants the same sizes; their sources are not bothered for each. */
export class KnownSizes {
  readonly #known = new Map<string, { readonly outcome: Outcome; readonly untilMs: number }>();
  readonly #clock: Clock;
  readonly #knownForMs: number;

  /** `knownForMs`: how long a size is good; Infinity for data that cannot change. */
  constructor(clock: Clock, knownForMs: number) {
    this.#clock = clock;
    this.#knownForMs = knownForMs;
  }

  /** What `find` says, now or a while ago; 0 when it failed. @throws DomainError forbidden of `find`: a reason not to take the work. */
  async of(key: string, find: () => Promise<number>): Promise<number> {
    const known = this.#known.get(key);
    if (known !== undefined && known.untilMs > this.#clock.nowMs()) return sizeOf(known.outcome);
    // An estimate may be missing; the fetch itself will say what is wrong.
    const outcome: Outcome = await find().catch((error: unknown) => (isRefusal(error) ? error : undefined));
    this.#known.delete(key);
    const untilMs = this.#clock.nowMs() + (typeof outcome === "number" ? this.#knownForMs : UNKNOWN_FOR_MS);
    this.#known.set(key, { outcome, untilMs });
    const oldest = this.#known.keys().next();
    if (this.#known.size > SIZES_MAX && oldest.done !== true) this.#known.delete(oldest.value);
    return sizeOf(outcome);
  }
}

type Outcome = number | DomainError | undefined;

function sizeOf(outcome: Outcome): number {
  if (outcome instanceof DomainError) throw outcome;
  return outcome ?? 0;
}

function isRefusal(error: unknown): error is DomainError {
  return error instanceof DomainError && error.kind === "forbidden";
}

const SIZES_MAX = 1_000;
const UNKNOWN_FOR_MS = 5_000;
