import type { IncomingHttpHeaders } from "node:http";
import { DomainError } from "@skrei/domain";
import { connectionWords, systemCodeOf } from "@skrei/platform/connection-words.ts";
import { isStrongVersion, judgeStatus, parseContentRange, retryDelayMs, type VersionHeaders } from "../domain/http-retry.ts";
import type { Clock, Fetched, FetchTarget, Validators } from "../ports.ts";
import type { AddressPolicy } from "./address-policy.ts";
import { DownloadFile } from "./download-file.ts";
import { type HttpAnswer, requestOrigin } from "./http-request.ts";
import { hasSurplus, readBody } from "./http-body.ts";

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
  #bytesTotal = 0;
  #validators: Validators;

  constructor(url: string, target: FetchTarget, settings: DownloadSettings) {
    this.#url = url;
    this.#target = target;
    this.#settings = settings;
    this.#validators = target.partial?.found?.validators ?? { etag: "", lastModified: "" };
  }

  /** @throws DomainError as SourceAdapter.fetch, but for the digest, which is the caller's to compare. */
  async run(): Promise<Fetched> {
    await using file = await DownloadFile.open(this.#target);
    try {
      return await this.#run(file);
    } catch (error) {
      // Only of a download that was cut is there something to go on with.
      if (error instanceof DomainError && error.reason !== "SOURCE_UNREACHABLE" && error.kind !== "cancelled") await file.restart();
      throw error;
    }
  }

  async #run(file: DownloadFile): Promise<Fetched> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#try(file);
      this.#target.signal.throwIfAborted();
      if (outcome === "unchanged") return { kind: "unchanged" };
      if (outcome === "whole") {
        const digest = await file.end();
        return { kind: "fetched", digest: `sha256:${digest}`, sizeBytes: file.sizeBytes, validators: this.#validators };
      }
      if (attempt === this.#settings.triesMax || outcome.isFinal === true)
        throw this.#gaveUp(outcome, { tries: attempt, bytesDone: file.sizeBytes });
      await this.#settings.clock.sleep(retryDelayMs(attempt + 1), this.#target.signal);
    }
  }

  /** Refusals are thrown; what may pass is returned. */
  async #try(file: DownloadFile): Promise<"whole" | "unchanged" | Hitch> {
    try {
      const { policy, answerTimeoutMs } = this.#settings;
      const headers = this.#headers(file.sizeBytes);
      const { signal } = this.#target;
      const answer = await requestOrigin(this.#url, { method: "GET", headers, policy, isDiverted: true, answerTimeoutMs, signal });
      try {
        return await this.#take(answer, { file, asked: headers });
      } finally {
        answer.response.destroy();
      }
    } catch (error) {
      if (error instanceof DomainError) throw error;
      return { what: connectionWords(error), isFinal: systemCodeOf(error) === "ENOTFOUND", cause: error };
    }
  }

  async #take(
    answer: HttpAnswer,
    { file, asked }: { readonly file: DownloadFile; readonly asked: Readonly<Record<string, string>> },
  ): Promise<"whole" | "unchanged" | Hitch> {
    const { statusCode: status = 0 } = answer.response;
    const verdict = judgeStatus(status);
    switch (verdict) {
      case "retry":
        return { what: `the origin answered ${status}` };
      case "restart":
        await file.restart();
        return { what: `the origin answered ${status}` };
      case "rest":
        if (this.#isRest(answer, file.sizeBytes)) return await this.#receive(answer, file);
        await file.restart();
        return { what: "the origin sent another range than was asked for" };
      case "body":
        if (file.sizeBytes > 0) await file.restart();
        return await this.#receive(answer, file);
      case "unchanged":
      case "redirect":
      case "refuse":
        // Nothing is unchanged unless that was the question.
        if (verdict === "unchanged" && ("if-none-match" in asked || "if-modified-since" in asked)) return "unchanged";
        throw new DomainError(
          status === 404 || status === 410 ? "notFound" : "invalid",
          "SOURCE_UNREACHABLE",
          `${this.#url} answered ${status}.`,
          {
            hint: "Check the URL in a browser or with curl.",
          },
        );
    }
  }

  /** A part that nobody asked for, or one of another version, is of no use. */
  #isRest({ response: { headers } }: HttpAnswer, bytesDone: number): boolean {
    const range = parseContentRange(headers["content-range"]);
    if (bytesDone === 0 || range?.start !== bytesDone) return false;
    const { etag = "" } = headers;
    return (
      (etag === "" || this.#validators.etag === "" || etag === this.#validators.etag) &&
      (this.#bytesTotal === 0 || range.total === this.#bytesTotal)
    );
  }

  async #receive(answer: HttpAnswer, file: DownloadFile): Promise<"whole" | Hitch> {
    const { response, lateError } = answer;
    const version = this.#note(response.headers, file.sizeBytes);
    this.#allow(file.sizeBytes);
    const cause = await readBody(response, this.#settings, async (piece) => {
      this.#allow(file.sizeBytes + piece.length);
      await file.append(piece, version);
    });
    const { sizeBytes: bytesDone } = file;
    if (bytesDone < this.#bytesTotal) return { what: "the body ended early", isShort: true, cause };
    if (this.#bytesTotal > 0 && (hasSurplus(answer) || bytesDone > this.#bytesTotal))
      throw this.#sizeMismatch({ which: "more", bytesDone }, lateError());
    return cause === undefined ? "whole" : { what: `the connection broke: ${connectionWords(cause)}`, cause };
  }

  /** Learns size and version from an answer. Returns the version if it says for sure what the bytes are of. */
  #note(headers: IncomingHttpHeaders, bytesDone: number): Validators | undefined {
    const { "content-encoding": encoding = "identity", "content-length": length = "0", "content-range": range } = headers;
    if (encoding !== "identity")
      throw new DomainError("invalid", "SOURCE_UNREACHABLE", `${this.#url} sends ${encoding} although it was asked not to.`, {
        hint: "Use an origin that sends files as they are.",
      });
    const restTotal = bytesDone > 0 ? parseContentRange(range)?.total : undefined;
    this.#bytesTotal = restTotal ?? Number(length);
    const { date, ...said } = versionHeaders(headers);
    // The rest of a file may come without them.
    if (bytesDone === 0 || said.etag + said.lastModified !== "") this.#validators = said;
    return isStrongVersion({ ...this.#validators, date }) ? this.#validators : undefined;
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
  #headers(bytesDone: number): Record<string, string> {
    const { etag, lastModified } = this.#validators;
    const proof = etag !== "" && !etag.startsWith("W/") ? etag : lastModified;
    if (bytesDone > 0 && proof !== "") return { range: `bytes=${bytesDone}-`, "if-range": proof };
    const known = this.#target.validators;
    if (bytesDone > 0 || known === undefined) return {};
    if (known.etag !== "") return { "if-none-match": known.etag };
    return known.lastModified === "" ? {} : { "if-modified-since": known.lastModified };
  }

  #gaveUp(
    { what, isShort = false, cause }: Hitch,
    { tries, bytesDone }: { readonly tries: number; readonly bytesDone: number },
  ): DomainError {
    if (isShort) return this.#sizeMismatch({ which: "fewer", bytesDone }, cause);
    const hint = "Check that the node can reach the origin; then run the job again.";
    return new DomainError(
      "unavailable",
      "SOURCE_UNREACHABLE",
      `${this.#url} could not be fetched in ${tries} ${tries === 1 ? "try" : "tries"}: ${what}.`,
      {
        hint,
        cause,
      },
    );
  }

  #sizeMismatch({ which, bytesDone }: { readonly which: "more" | "fewer"; readonly bytesDone: number }, cause: unknown): DomainError {
    const numbers = which === "more" ? `more than the ${this.#bytesTotal} bytes` : `${bytesDone} of the ${this.#bytesTotal} bytes`;
    return new DomainError("corrupt", "SOURCE_SIZE_MISMATCH", `${this.#url} sent ${numbers} that it had said.`, {
      hint: "The origin or a proxy before it is broken; try another.",
      cause,
    });
  }
}

function versionHeaders({ etag = "", "last-modified": lastModified = "", date = "" }: IncomingHttpHeaders): VersionHeaders {
  return { etag, lastModified, date };
}

/** Why a try ended that may be repeated. */
interface Hitch {
  readonly what: string;
  /** The origin closed before all that it had announced. */
  readonly isShort?: boolean;
  /** Another try here would end the same way. */
  readonly isFinal?: boolean;
  readonly cause?: unknown;
}
