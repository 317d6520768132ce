import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { DomainError } from "@skrei/domain";
import { judgeStatus, parseContentRange, retryDelayMs } from "../domain/http-retry.ts";
import type { Clock, Fetched, FetchTarget, Validators } from "../ports.ts";
import type { AddressPolicy } from "./address-policy.ts";
import { type HttpAnswer, requestOrigin } from "./http-request.ts";
import { readBody } from "./http-body.ts";

export interface DownloadSettings {
  readonly policy: AddressPolicy;
  readonly clock: Clock;
  readonly triesMax: number;
  readonly answerTimeoutMs: number;
  /** Fewer bytes than this in one window end the download. */
  readonly lowSpeedBytes: number;
  readonly lowSpeedWindowMs: number;
}

/** One download into one file, over as many tries as it takes. What has arrived stays, if the origin can prove it is unchanged. */
export class HttpDownload {
  readonly #url: string;
  readonly #target: FetchTarget;
  readonly #settings: DownloadSettings;
  #hash: Hash = createHash("sha256");
  #bytesDone = 0;
  #bytesTotal = 0;
  #validators: Validators = { etag: "", lastModified: "" };

  constructor(url: string, target: FetchTarget, settings: DownloadSettings) {
    this.#url = url;
    this.#target = target;
    this.#settings = settings;
  }

  /** @throws DomainError as SourceAdapter.fetch, but for the digest, which is the caller's to compare. */
  async run(): Promise<Fetched> {
    await using file = await open(this.#target.path, "wx");
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#try(file);
      this.#target.signal.throwIfAborted();
      if (outcome === "unchanged") return { kind: "unchanged" };
      if (outcome === "whole") {
        await file.sync();
        return { kind: "fetched", digest: `sha256:${this.#hash.digest("hex")}`, sizeBytes: this.#bytesDone, validators: this.#validators };
      }
      if (attempt === this.#settings.triesMax) throw this.#gaveUp(outcome, attempt);
      await this.#settings.clock.sleep(retryDelayMs(attempt + 1), this.#target.signal);
    }
  }

  /** Refusals are thrown; what may pass is returned. */
  async #try(file: FileHandle): Promise<"whole" | "unchanged" | Hitch> {
    try {
      const { policy, answerTimeoutMs } = this.#settings;
      const answer = await requestOrigin(this.#url, {
        method: "GET",
        headers: this.#headers(),
        policy,
        answerTimeoutMs,
        signal: this.#target.signal,
      });
      try {
        return await this.#take(answer, file);
      } finally {
        answer.response.destroy();
      }
    } catch (error) {
      if (error instanceof DomainError) throw error;
      return { what: "the connection failed", cause: error };
    }
  }

  async #take(answer: HttpAnswer, file: FileHandle): Promise<"whole" | "unchanged" | Hitch> {
    const { statusCode: status = 0, headers } = answer.response;
    switch (judgeStatus(status)) {
      case "unchanged":
        return "unchanged";
      case "retry":
        return { what: `the origin answered ${status}` };
      case "restart":
        await this.#restart(file);
        return { what: `the origin answered ${status}` };
      case "redirect":
      case "refuse":
        throw new DomainError("unavailable", "SOURCE_UNREACHABLE", `${this.#url} answered ${status}.`, {
          hint: "Check the URL in a browser or with curl.",
        });
      case "rest":
        if (parseContentRange(headers["content-range"])?.start !== this.#bytesDone) await this.#restart(file);
        else return await this.#receive(answer, file);
        return { what: "the origin sent another range than was asked for" };
      case "body":
        await this.#restart(file);
        return await this.#receive(answer, file);
    }
  }

  async #receive({ response, lateError }: HttpAnswer, file: FileHandle): Promise<"whole" | Hitch> {
    const {
      "content-encoding": encoding = "identity",
      "content-length": length,
      etag = "",
      "last-modified": lastModified = "",
    } = response.headers;
    if (encoding !== "identity")
      throw new DomainError("unavailable", "SOURCE_UNREACHABLE", `${this.#url} sends ${encoding} although it was asked not to.`, {
        hint: "Use an origin that sends files as they are.",
      });
    this.#bytesTotal = length === undefined ? 0 : this.#bytesDone + Number(length);
    this.#validators = { etag, lastModified };
    this.#allow(this.#bytesDone);
    const cause = await readBody(response, this.#settings, async (pieces, sizeBytes) => {
      this.#allow(this.#bytesDone + sizeBytes);
      await keep(file, pieces, this.#bytesDone);
      for (const piece of pieces) this.#hash.update(piece);
      this.#bytesDone += sizeBytes;
    });
    if (length !== undefined && this.#bytesDone < this.#bytesTotal) return { what: "the body ended early", isShort: true, cause };
    if (isSurplus(lateError())) throw this.#sizeMismatch("more", lateError());
    return cause === undefined ? "whole" : { what: "the connection broke", cause };
  }

  /** @throws DomainError SOURCE_TOO_LARGE, CACHE_FULL. */
  #allow(bytesDone: number): void {
    const { bytesMax, onBytes } = this.#target;
    const sizeBytes = Math.max(bytesDone, this.#bytesTotal);
    if (sizeBytes > bytesMax)
      throw new DomainError("exhausted", "SOURCE_TOO_LARGE", `${this.#url} has at least ${sizeBytes} bytes; ${bytesMax} are allowed.`, {
        hint: "Ask for more disk in the job's resources.",
      });
    onBytes(bytesDone, this.#bytesTotal);
  }

  /** Asks for the rest when the origin can tell that it is of the same version. */
  #headers(): Record<string, string> {
    const { etag, lastModified } = this.#validators;
    const proof = etag !== "" && !etag.startsWith("W/") ? etag : lastModified;
    if (this.#bytesDone > 0 && proof !== "") return { range: `bytes=${this.#bytesDone}-`, "if-range": proof };
    const known = this.#target.validators;
    if (this.#bytesDone > 0 || known === undefined) return {};
    if (known.etag !== "") return { "if-none-match": known.etag };
    return known.lastModified === "" ? {} : { "if-modified-since": known.lastModified };
  }

  async #restart(file: FileHandle): Promise<void> {
    await file.truncate(0);
    this.#hash = createHash("sha256");
    this.#bytesDone = 0;
  }

  #gaveUp({ what, isShort = false, cause }: Hitch, tries: number): DomainError {
    if (isShort) return this.#sizeMismatch("fewer", cause);
    const hint = "Check that the node can reach the origin; then run the job again.";
    return new DomainError("unavailable", "SOURCE_UNREACHABLE", `${this.#url} could not be fetched in ${tries} tries: ${what}.`, {
      hint,
      cause,
    });
  }

  #sizeMismatch(which: "more" | "fewer", cause: unknown): DomainError {
    const numbers = which === "more" ? `more than the ${this.#bytesTotal} bytes` : `${this.#bytesDone} of the ${this.#bytesTotal} bytes`;
    return new DomainError("corrupt", "SOURCE_SIZE_MISMATCH", `${this.#url} sent ${numbers} that it had said.`, {
      hint: "The origin or a proxy before it is broken; try another.",
      cause,
    });
  }
}

/** Why a try ended that may be repeated. */
interface Hitch {
  readonly what: string;
  /** The origin closed before all that it had announced. */
  readonly isShort?: boolean;
  readonly cause?: unknown;
}

/** A full disk is no fault of the connection, so it must not look like one. */
async function keep(file: FileHandle, pieces: readonly Buffer[], at: number): Promise<void> {
  try {
    await file.writev(pieces, at);
  } catch (cause) {
    throw new DomainError("exhausted", "CACHE_FULL", "The input cache could not write to its disk.", {
      hint: "Free space on the node's disk, or give the cache a smaller budget.",
      cause,
    });
  }
}

/** Node's parser found bytes behind the end of the body. */
function isSurplus(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
  return code.startsWith("HPE_");
}
