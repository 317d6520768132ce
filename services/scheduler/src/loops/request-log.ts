import { DomainError } from "@skrei/domain";
import type { JobId } from "@skrei/domain";
import { fingerprintOf } from "../domain/fingerprint.ts";
import type { StateStore } from "../ports.ts";

export interface RequestClaim {
  readonly fingerprint: string;
  /** The job that the request id stands for already. */
  jobId(): JobId | undefined;
  record(jobId: JobId): void;
}

/** Request ids of this term, and through the store of all terms: one id stands for one request and one job. */
export class RequestLog {
  readonly #store: StateStore;
  readonly #known = new Map<string, { readonly fingerprint: string; jobId: JobId | undefined }>();

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** @throws exists/REQUEST_ID_REUSED. What is claimed must be recorded before the caller waits for anything else. */
  async claim(requests: readonly { requestId: string; content: unknown }[]): Promise<readonly RequestClaim[]> {
    const unknown = requests.filter(({ requestId }) => requestId !== "" && !this.#known.has(requestId));
    const stored = await Promise.all(unknown.map(({ requestId }) => this.#store.getRequest(requestId)));
    for (const record of stored) {
      // Another call with the same id may have been faster.
      if (record !== undefined && !this.#known.has(record.requestId)) this.#remember(record.requestId, record);
    }
    return requests.map(({ requestId, content }) => (requestId === "" ? UNCLAIMED : this.#claimOne(requestId, fingerprintOf(content))));
  }

  #claimOne(requestId: string, fingerprint: string): RequestClaim {
    const known = this.#known.get(requestId);
    if (known !== undefined && known.fingerprint !== fingerprint) {
      throw new DomainError("exists", "REQUEST_ID_REUSED", `Request id ${requestId} was used before for a different request.`, {
        hint: "Use a new request id for a new request.",
        metadata: { requestId, jobId: known.jobId ?? "" },
      });
    }
    if (known === undefined) this.#remember(requestId, { fingerprint, jobId: undefined });
    return {
      fingerprint,
      jobId: () => this.#known.get(requestId)?.jobId,
      record: (jobId) => this.#remember(requestId, { fingerprint, jobId }),
    };
  }

  #remember(requestId: string, record: { fingerprint: string; jobId: JobId | undefined }): void {
    this.#known.set(requestId, { fingerprint: record.fingerprint, jobId: record.jobId });
    if (this.#known.size <= KNOWN_MAX) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      if (this.#known.size <= KNOWN_MAX / 2) return;
    }
  }
}

/** A request without an id stands for itself. */
const UNCLAIMED: RequestClaim = { fingerprint: "", jobId: () => undefined, record: () => undefined };

/** The store has the rest; only ids whose commit may be under way must be here. */
const KNOWN_MAX = 200_000;
