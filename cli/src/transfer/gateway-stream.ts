import { request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { DomainError, parseReason } from "@skrei/domain";
import { OneBufferAgent, releasePiece } from "@skrei/platform/one-buffer-agent.ts";
import { cut } from "./car-reader.ts";

const ERROR_BYTES_MAX = 4_096;

/** At most `connectionsMax` connections to the content store. */
export class GatewayClient implements Disposable {
  readonly #http: OneBufferAgent;
  readonly #https: HttpsAgent;
  readonly #idleTimeoutMs: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor({ connectionsMax, idleTimeoutMs }: { readonly connectionsMax: number; readonly idleTimeoutMs: number }) {
    this.#http = new OneBufferAgent({ keepAlive: true, maxSockets: connectionsMax });
    this.#https = new HttpsAgent({ keepAlive: true, maxSockets: connectionsMax });
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#free = connectionsMax;
  }

  /**
   * Gives the body of a GET piece by piece, each valid until `push` returns; what that throws ends it.
   * @throws DomainError unavailable/UPSTREAM_UNAVAILABLE when there is no whole answer, or what the gateway refused it with.
   */
  async get(address: URL, signal: AbortSignal, push: (piece: Uint8Array) => void): Promise<void> {
    const answer = new Answer(push);
    await this.#takeSlot();
    try {
      await this.#receive(address, signal, answer);
    } catch (cause) {
      if (signal.aborted || answer.isPushRefused || cause instanceof DomainError) throw cause;
      if (answer.status !== undefined) throw cut("The content store cut the download before its end", cause);
      throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", `The content store at ${address.origin} does not answer.`, {
        hint: "Is the publisher running, and is that address reachable from here? The same command goes on where it was.",
        cause,
      });
    } finally {
      this.#giveSlot();
    }
    if (answer.status !== 200) throw refusal(answer.status ?? 0, answer.text, address);
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #receive(address: URL, signal: AbortSignal, answer: Answer): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const headers = { accept: "application/vnd.ipld.car;version=1" };
    const request =
      address.protocol === "https:"
        ? httpsRequest(address, { agent: this.#https, signal, headers })
        : httpRequest(address, { agent: this.#http, signal, headers });
    request.setTimeout(this.#idleTimeoutMs, () => request.destroy(new Error(`no byte for ${this.#idleTimeoutMs} ms`)));
    request.on("error", reject);
    request.on("response", (response: IncomingMessage) => {
      answer.status = response.statusCode ?? 0;
      response.on("data", (piece: Buffer) => {
        try {
          answer.take(piece);
          releasePiece(piece);
        } catch (error) {
          reject(error);
          response.destroy();
        }
      });
      response.on("end", resolve);
      response.on("error", reject);
      response.on("close", () => {
        reject(new Error("closed before its end"));
      });
    });
    request.end();
    return promise;
  }

  async #takeSlot(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
  }

  #giveSlot(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** What comes: content to be pushed on, or a few words of refusal. */
class Answer {
  readonly #push: (piece: Uint8Array) => void;
  status: number | undefined;
  text = "";
  /** What a piece is refused with, such as a full disk, is no fault of the connection. */
  isPushRefused = false;

  constructor(push: (piece: Uint8Array) => void) {
    this.#push = push;
  }

  take(piece: Uint8Array): void {
    if (this.status === 200) {
      this.isPushRefused = true;
      this.#push(piece);
      this.isPushRefused = false;
    } else if (this.text.length < ERROR_BYTES_MAX) this.text += Buffer.from(piece).toString();
  }
}

/** The gateway's own words. A redirect is no answer: what is asked for is there or nowhere. */
function refusal(status: number, text: string, { origin }: URL): DomainError {
  const { reason, message } = wordsOf(text);
  const what = `The content store at ${origin} answered ${status}: ${message}`;
  if (reason === "LINK_INVALID") return new DomainError("forbidden", "LINK_INVALID", what, { hint: "Ask for the result again." });
  if (reason === "RESULT_CORRUPT" || reason === "BLOCK_MISSING")
    return new DomainError("corrupt", reason, what, { hint: "A part of the result is damaged in the store: its log says which." });
  if (status >= 500 || status === 429) return new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", what, { hint: "Try again later." });
  return new DomainError("precondition", reason ?? "UPSTREAM_UNAVAILABLE", what, {
    hint: "Is that address the publisher of this cluster, and of the same version?",
  });
}

function wordsOf(text: string): { readonly reason: ReturnType<typeof parseReason>; readonly message: string } {
  try {
    const { reason, message } = JSON.parse(text) as { reason?: unknown; message?: unknown };
    if (typeof message === "string") return { reason: parseReason(String(reason)), message: message.slice(0, 300) };
  } catch {
    // Not ours: what it says is shown as it is.
  }
  return { reason: undefined, message: text.slice(0, 300) };
}
