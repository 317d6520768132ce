import { DomainError } from "@skrei/domain";

export interface LookupAnswer {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

/** Answers until they expire; who asks for the same name meanwhile shares one question. Failures are not remembered. */
export class LookupCache {
  readonly #answers = new Map<string, { readonly addresses: readonly string[]; readonly expiresAtMs: number }>();
  readonly #questions = new Map<string, Promise<readonly string[]>>();

  /** @throws DomainError unavailable/EGRESS_NAME_UNRESOLVED when too many questions are open; and whatever `ask` throws. */
  get(host: string, ask: () => Promise<LookupAnswer>): Promise<readonly string[]> {
    const known = this.#answers.get(host);
    if (known !== undefined && known.expiresAtMs > performance.now()) return Promise.resolve(known.addresses);
    this.#answers.delete(host);
    const asked = this.#questions.get(host);
    if (asked !== undefined) return asked;
    if (this.#questions.size >= QUESTIONS_MAX) return Promise.reject(tooMany(host));
    const question = this.#ask(host, ask).finally(() => this.#questions.get(host) === question && this.#questions.delete(host));
    this.#questions.set(host, question);
    return question;
  }

  /** What is being asked now still answers who asked for it, and nobody later. */
  clear(): void {
    this.#answers.clear();
    this.#questions.clear();
  }

  get size(): number {
    return this.#answers.size + this.#questions.size;
  }

  async #ask(host: string, ask: () => Promise<LookupAnswer>): Promise<readonly string[]> {
    const { addresses, ttlSeconds } = await ask();
    if (ttlSeconds > 0) {
      const [oldest] = this.#answers.keys();
      if (this.#answers.size >= ANSWERS_MAX && oldest !== undefined) this.#answers.delete(oldest);
      this.#answers.set(host, { addresses, expiresAtMs: performance.now() + Math.min(ttlSeconds, TTL_SECONDS_MAX) * 1_000 });
    }
    return addresses;
  }
}

const ANSWERS_MAX = 4_096;
/** Far more than one execution may have, see `OpenDoor`. */
const QUESTIONS_MAX = 16_384;
/** A mistake in a zone should not outlive a coffee. */
const TTL_SECONDS_MAX = 300;

function tooMany(host: string): DomainError {
  return new DomainError(
    "unavailable",
    "EGRESS_NAME_UNRESOLVED",
    `${host} was not looked up: ${QUESTIONS_MAX} other names are being asked for.`,
    {
      hint: "Try again in a moment.",
    },
  );
}
