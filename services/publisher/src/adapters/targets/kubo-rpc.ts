import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { DomainError } from "@skrei/domain";
import { refused, unavailable } from "./target-errors.ts";

interface RpcOptions {
  /** Such as `http://127.0.0.1:5001`. */
  readonly url: string;
  /** Longest silence of the daemon. */
  readonly timeoutMs: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** What went wrong after the status was sent. */
  readonly streamError: string;
}

/** The few calls of a Kubo daemon's RPC that pinning a result takes. @throws DomainError TARGET_UNAVAILABLE, TARGET_REFUSED. */
export class KuboRpc {
  readonly #options: RpcOptions;

  constructor(options: RpcOptions) {
    this.#options = options;
  }

  async isPinned(cid: string, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#post(`pin/ls?arg=${cid}&type=recursive`, undefined, signal);
    // The daemon has one status for all that goes wrong.
    if (answer.status === 500 && /not pinned/iu.test(messageOf(answer))) return false;
    check(answer);
    return Object.hasOwn(keysOf(answer), cid);
  }

  /** Gives the daemon the blocks of a CAR and has it pin the roots. */
  async importCar(car: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const answer = await this.#post("dag/import?pin-roots=true&stats=false", car, signal);
    check(answer);
    for (const line of answer.body.split("\n").filter((text) => text.trim() !== "")) {
      const { Root: root } = parseJson(line) as { readonly Root?: { readonly PinErrorMsg?: unknown } };
      const problem = root?.PinErrorMsg;
      if (typeof problem === "string" && problem !== "")
        throw unavailable(`The IPFS node could not pin the result: ${printable(problem)}.`);
    }
  }

  async #post(call: string, car: AsyncIterable<Uint8Array> | undefined, signal: AbortSignal): Promise<Answer> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), this.#options.timeoutMs);
    const both = AbortSignal.any([signal, silence.signal]);
    const request = this.#open(call, car !== undefined);
    try {
      const answered = once(request, "response", { signal: both }) as Promise<[IncomingMessage]>;
      const sent = send(request, car, { timer, signal: both });
      const [response] = await Promise.race([answered, sent.then(async () => await answered)]);
      return await read(response, timer);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DomainError) throw error;
      const why = silence.signal.aborted ? `no sign of life within ${this.#options.timeoutMs} ms` : wordsOf(error);
      throw unavailable(`The IPFS node at ${this.#options.url} does not take the result now: ${why}.`, error);
    } finally {
      clearTimeout(timer);
      request.destroy();
    }
  }

  #open(call: string, hasBody: boolean): ClientRequest {
    const url = new URL(`${this.#options.url.replace(/\/+$/u, "")}/api/v0/${call}`);
    const open = url.protocol === "https:" ? httpsRequest : httpRequest;
    const headers = hasBody ? { "content-type": `multipart/form-data; boundary=${BOUNDARY}` } : { "content-length": "0" };
    const request = open(url, { method: "POST", headers, agent: false });
    // Lasting: without a listener an error after the answer would end the process.
    request.on("error", () => undefined);
    return request;
  }
}

interface Sending {
  readonly timer: NodeJS.Timeout;
  readonly signal: AbortSignal;
}

async function send(request: ClientRequest, car: AsyncIterable<Uint8Array> | undefined, { timer, signal }: Sending): Promise<void> {
  if (car === undefined) return void request.end();
  for await (const piece of multipart(car, timer)) {
    signal.throwIfAborted();
    // Until it is sent its memory is in use.
    await written(request, piece, signal);
  }
  request.end();
}

function written(request: ClientRequest, piece: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
    request.write(piece, (error) => {
      signal.removeEventListener("abort", stop);
      if (error instanceof Error) reject(error);
      else resolve();
    });
  });
}

/** The CAR as the one file of a form; each piece that the connection takes is a sign of life. */
async function* multipart(car: AsyncIterable<Uint8Array>, timer: NodeJS.Timeout): AsyncGenerator<Uint8Array> {
  const disposition = 'Content-Disposition: form-data; name="file"; filename="result.car"';
  yield Buffer.from(`--${BOUNDARY}\r\n${disposition}\r\nContent-Type: application/vnd.ipld.car\r\n\r\n`);
  for await (const piece of car) {
    timer.refresh();
    yield piece;
  }
  yield Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
  timer.refresh();
}

async function read(response: IncomingMessage, timer: NodeJS.Timeout): Promise<Answer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    timer.refresh();
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw unavailable(`The IPFS node answered with more than ${ANSWER_BYTES_MAX} bytes.`);
    pieces.push(piece);
  }
  const streamError = response.trailers["x-stream-error"] ?? "";
  return { status: response.statusCode ?? 0, body: Buffer.concat(pieces).toString(), streamError };
}

function check(answer: Answer): void {
  const { status, streamError } = answer;
  if (status === 200 && streamError === "") return;
  const said = printable(streamError || messageOf(answer));
  const message = `The IPFS node answered ${status}${said === "" ? "" : `: ${said}`}.`;
  if (status === 200 || status >= 500 || status === 408 || status === 429) throw unavailable(message);
  throw refused(message, "Check that ipfsRpcUrl names the RPC of a Kubo daemon that lets this node in.");
}

function messageOf({ body }: Answer): string {
  const { Message: message } = parseJson(body) as { readonly Message?: unknown };
  return typeof message === "string" ? message : "";
}

function keysOf({ body }: Answer): object {
  const { Keys: keys } = parseJson(body) as { readonly Keys?: unknown };
  return typeof keys === "object" && keys !== null ? keys : {};
}

function parseJson(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    // No JSON is no answer of a daemon; the status says enough.
    return {};
  }
}

function wordsOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return printable(code ?? message);
}

/** A daemon's words reach terminals and logs. */
function printable(text: string): string {
  return text.slice(0, 300).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}

const BOUNDARY = "skrei-7f2b6c1d9e4a4f0c8b35";
const ANSWER_BYTES_MAX = 1_048_576;
