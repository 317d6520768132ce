import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import { openRequest, throwRefusal, type DoorAccess } from "./door-request.ts";
import { formatHeaderLines, parseHeaderLines } from "./http-header-lines.ts";
import { HttpProblem } from "./http-problem.ts";
import { FRAME, FRAME_HEADER_BYTES, type HttpAsk, type HttpBodyPiece, type HttpEnd, type WantedBody } from "./http-protocol.ts";
import { parseRequestUrl, redirectOf, type Hop } from "./http-redirect.ts";

/** The host process on the other side. */
export interface RelayHost {
  /** Resolves when more may be written. */
  answer(frame: Uint8Array, signal: AbortSignal): Promise<void>;
  kill(): void;
}

export interface HttpRelayOptions extends DoorAccess {
  /** Bound on one request, from its first redirect to the last byte of its body. */
  readonly timeoutMs: number;
}

/** Makes the requests of one guest through its door, one at a time and in pieces, so that it holds next to nothing. */
export class HttpRelay {
  readonly #host: RelayHost;
  readonly #options: HttpRelayOptions;
  readonly #closing = new AbortController();
  readonly #explained = new Set<string>();
  #isBusy = false;
  #wanted: { readonly lengthBytes: number; readonly piece: PromiseWithResolvers<Buffer> } | undefined;

  constructor(host: RelayHost, options: HttpRelayOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** A host that speaks out of turn is not ours any more. */
  receive(message: HttpAsk | HttpBodyPiece): void {
    if (message.type === "httpRequest" && !this.#isBusy && isWellFormed(message)) {
      this.#isBusy = true;
      void this.#serve(message);
      return;
    }
    const piece = message.type === "httpBody" ? Buffer.from(String(message.base64), "base64") : undefined;
    if (piece === undefined || piece.length !== this.#wanted?.lengthBytes) return this.#host.kill();
    this.#wanted.piece.resolve(piece);
    this.#wanted = undefined;
  }

  /** Ends what is under way. Idempotent. */
  close(): void {
    this.#closing.abort(new Error("the run is over"));
  }

  async #serve(ask: HttpAsk): Promise<void> {
    const stopping = new AbortController();
    const stop = (): void => stopping.abort(this.#closing.signal.reason);
    const timer = setTimeout(() => stopping.abort(new HttpProblem("timeout", this.#lateness)), this.#options.timeoutMs);
    this.#closing.signal.addEventListener("abort", stop, { once: true });
    const end = await this.#transfer(ask, stopping.signal).then(
      () => ({ result: "success", words: "" }) as const,
      (error: unknown) => this.#explain(ask, toProblem(stopping.signal.aborted ? stopping.signal.reason : error)),
    );
    clearTimeout(timer);
    this.#closing.signal.removeEventListener("abort", stop);
    this.#isBusy = false;
    this.#wanted = undefined;
    if (!this.#closing.signal.aborted) await this.#send(FRAME.end, toJson(end), this.#closing.signal).catch(() => undefined);
  }

  async #transfer(ask: HttpAsk, signal: AbortSignal): Promise<void> {
    const { method, bodyBytes } = ask;
    let hop: Hop = { method, url: parseRequestUrl(ask.url, undefined), headers: parseHeaderLines(ask.headers), bodyBytes };
    for (let redirects = 0; ; redirects++) {
      await using stack = new AsyncDisposableStack();
      const request = await openRequest(hop, this.#options, signal);
      const sending = this.#sendBody(request, hop.bodyBytes).catch(() => undefined);
      stack.defer(async () => {
        request.destroy();
        await sending;
      });
      const response = await responseOf(request, signal);
      if (hop.url.protocol === "http:" && response.headers["x-skrei-reason"] !== undefined) await throwRefusal(hop.url, response, response);
      const next = redirectOf(hop, response.statusCode ?? 0, response.headers.location);
      if (next === undefined) return await this.#pass(response, ask, signal);
      if (redirects === REDIRECTS_MAX) throw new HttpProblem("networkError", `it redirects more than ${REDIRECTS_MAX} times`);
      hop = next;
    }
  }

  /** Ends early when the request does: an origin may answer, and be done, before it has read all of the body. */
  async #sendBody(request: ClientRequest, bodyBytes: number): Promise<void> {
    const closed = new Promise<void>((resolve) => request.once("close", resolve));
    for (let offset = 0; offset < bodyBytes && !request.destroyed; offset += PIECE_BYTES_MAX) {
      const piece = await this.#bodyPiece({ offset, lengthBytes: Math.min(PIECE_BYTES_MAX, bodyBytes - offset) });
      if (request.destroyed || request.write(piece)) continue;
      await Promise.race([closed, new Promise<void>((resolve) => request.once("drain", resolve))]);
    }
    if (!request.destroyed) request.end();
  }

  /** The host answers at once, so only the end of the run cuts it short: a piece must not come when nobody waits for it. */
  async #bodyPiece(wanted: WantedBody): Promise<Buffer> {
    const { signal } = this.#closing;
    const piece = Promise.withResolvers<Buffer>();
    const leave = (): void => piece.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    this.#wanted = { lengthBytes: wanted.lengthBytes, piece };
    try {
      await this.#send(FRAME.wantBody, toJson(wanted), signal);
      return await piece.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  async #pass(response: IncomingMessage, ask: HttpAsk, signal: AbortSignal): Promise<void> {
    const headers = formatHeaderLines(response.rawHeaders);
    checkSize("the response's headers have", headers.length, ask.responseHeadersBytesMax);
    const announcedBytes = ask.method === "HEAD" ? 0 : Number(response.headers["content-length"] ?? 0);
    checkSize("the response's body has", announcedBytes, ask.responseBodyBytesMax);
    await this.#send(FRAME.head, toJson({ status: response.statusCode, headers }), signal);
    let bodyBytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bodyBytes += chunk.length;
      checkSize("the response's body has at least", bodyBytes, ask.responseBodyBytesMax);
      await this.#send(FRAME.body, chunk, signal);
    }
  }

  async #send(kind: number, payload: Uint8Array, signal: AbortSignal): Promise<void> {
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
    frame.writeUInt8(kind, 0);
    frame.writeUInt32LE(payload.length, 1);
    frame.set(payload, FRAME_HEADER_BYTES);
    signal.throwIfAborted();
    await this.#host.answer(frame, signal);
  }

  get #lateness(): string {
    return `the request was not over within ${this.#options.timeoutMs} ms`;
  }

  /** The user learns of each kind of trouble with each host once. */
  #explain(ask: HttpAsk, problem: HttpProblem): HttpEnd {
    const host = URL.parse(ask.url)?.host ?? "";
    const key = `${host} ${problem.key}`;
    const isNews = !this.#explained.has(key) && this.#explained.size < EXPLANATIONS_MAX;
    if (isNews) this.#explained.add(key);
    return {
      result: problem.result,
      words: isNews ? `skrei: http_request${host === "" ? "" : ` to ${host}`}: ${toPrintable(problem.message)}\n` : "",
    };
  }
}

async function responseOf(request: ClientRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const [response] = (await once(request, "response", { signal })) as [IncomingMessage];
  // As for the request; whoever reads the body gets it.
  response.on("error", () => undefined);
  return response;
}

function isWellFormed({ url, headers, ...ask }: HttpAsk): boolean {
  const sizes = [ask.bodyBytes, ask.responseHeadersBytesMax, ask.responseBodyBytesMax];
  return typeof url === "string" && typeof headers === "string" && sizes.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function checkSize(what: string, sizeBytes: number, bytesMax: number): void {
  if (sizeBytes > bytesMax) throw new HttpProblem("tooLarge", `${what} ${sizeBytes} bytes; there is room for ${bytesMax}`);
}

function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "HPE_HEADER_OVERFLOW") return new HttpProblem("tooLarge", "the response's headers are too large");
  return new HttpProblem("networkError", error instanceof Error ? error.message : String(error), { key: code, cause: error });
}

function toPrintable(text: string): string {
  return text.replace(/\p{C}+/gu, " ");
}

function toJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

const REDIRECTS_MAX = 5;
const PIECE_BYTES_MAX = 65_536;
const EXPLANATIONS_MAX = 64;
