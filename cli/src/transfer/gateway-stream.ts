import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { DomainError, parseReason } from "@skrei/domain";
import { cut } from "./car-reader.ts";

const ERROR_BYTES_MAX = 4_096;

/** Keeps connections to the content store, at most `connectionsMax` of them. */
export class GatewayClient implements Disposable {
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #idleTimeoutMs: number;

  constructor({ connectionsMax, idleTimeoutMs }: { readonly connectionsMax: number; readonly idleTimeoutMs: number }) {
    this.#http = new HttpAgent({ keepAlive: true, maxSockets: connectionsMax });
    this.#https = new HttpsAgent({ keepAlive: true, maxSockets: connectionsMax });
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /**
   * Gives the body of a GET piece by piece; what `push` throws ends it. Neither `fetch` nor a stream that is iterated: both take
   * several times the CPU for each byte.
   * @throws DomainError unavailable/UPSTREAM_UNAVAILABLE when there is no whole answer, or what the gateway refused it with.
   */
  async get(address: URL, signal: AbortSignal, push: (piece: Uint8Array) => void): Promise<void> {
    let response: IncomingMessage | undefined;
    // What a piece is refused with, such as a full disk, is no fault of the connection.
    let refused: { readonly error: unknown } | undefined;
    const pushOrNote = (piece: Uint8Array): void => {
      try {
        push(piece);
      } catch (error) {
        refused = { error };
        throw error;
      }
    };
    try {
      response = await this.#open(address, signal);
      if (response.statusCode !== 200) throw await refusal(response, address);
      await flow(response, pushOrNote);
    } catch (cause) {
      response?.destroy();
      if (signal.aborted || refused !== undefined || cause instanceof DomainError) throw cause;
      if (response !== undefined) throw cut("The content store cut the download before its end", cause);
      throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", `The content store at ${address.origin} does not answer.`, {
        hint: "Is the publisher running, and is that address reachable from here? The same command goes on where it was.",
        cause,
      });
    }
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #open(address: URL, signal: AbortSignal): Promise<IncomingMessage> {
    const headers = { accept: "application/vnd.ipld.car;version=1" };
    return new Promise((resolve, reject) => {
      const request =
        address.protocol === "https:"
          ? httpsRequest(address, { agent: this.#https, signal, headers }, resolve)
          : httpRequest(address, { agent: this.#http, signal, headers }, resolve);
      request.setTimeout(this.#idleTimeoutMs, () => request.destroy(new Error(`no byte for ${this.#idleTimeoutMs} ms`)));
      request.on("error", reject);
      request.end();
    });
  }
}

function flow(response: IncomingMessage, push: (piece: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    response.on("data", (piece: Buffer) => {
      try {
        push(piece);
      } catch (error) {
        reject(error);
        response.destroy();
      }
    });
    response.on("end", resolve);
    response.on("error", reject);
    response.on("close", () => reject(new Error("closed before its end")));
  });
}

/** The gateway's own words. A redirect is no answer: what is asked for is there or nowhere. */
async function refusal(response: IncomingMessage, { origin }: URL): Promise<DomainError> {
  const status = response.statusCode ?? 0;
  const { reason, message } = wordsOf(await textOf(response));
  const what = `The content store at ${origin} answered ${status}: ${message}`;
  if (reason === "LINK_INVALID") return new DomainError("forbidden", "LINK_INVALID", what, { hint: "Ask for the result again." });
  if (reason === "RESULT_CORRUPT" || reason === "BLOCK_MISSING")
    return new DomainError("corrupt", reason, what, { hint: "A part of the result is damaged in the store: its log says which." });
  if (status >= 500 || status === 429) return new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", what, { hint: "Try again later." });
  return new DomainError("precondition", reason ?? "UPSTREAM_UNAVAILABLE", what, {
    hint: "Is that address the publisher of this cluster, and of the same version?",
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    text += Buffer.from(piece).toString();
    if (text.length > ERROR_BYTES_MAX) break;
  }
  return text;
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
