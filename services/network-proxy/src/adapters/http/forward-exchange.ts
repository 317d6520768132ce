import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import type { Denial } from "../../domain/decide-egress.ts";
import type { RateBucket } from "../../domain/rate-bucket.ts";
import type { Allowance, Passage } from "../../ports.ts";
import { dial, type DialOptions } from "./dial.ts";
import type { ReceivedRequest } from "./forward-request.ts";
import { endToEndHeaders, headBytes, requestHeaders } from "./forward-headers.ts";
import { gatherPieces } from "./gather-pieces.ts";
import { answerProblem } from "./origin-answer.ts";
import { answerMalformed, limitReached, originFailure } from "./origin-failure.ts";
import { pump } from "./pump.ts";
import { refuseRequest } from "./refusal.ts";
import type { RequestHead } from "./request-head.ts";
import type { PooledRequest } from "./upstream-pool.ts";
import { Watchdog } from "./watchdog.ts";

export interface AllowedRequest extends ReceivedRequest {
  readonly head: RequestHead;
  readonly allowance: Allowance;
}

/** One allowed request on its way to the origin and back. Everything of it has ended when the response to the task is closed. */
export class ForwardExchange {
  readonly #allowed: AllowedRequest;
  readonly #passage: Passage;
  readonly #watchdog: Watchdog;
  #dialling: AbortController | undefined;
  readonly #stops: (() => void)[] = [];
  #headTimer: NodeJS.Timeout | undefined;
  #upstream: ClientRequest | undefined;
  #isOver = false;
  #hasAnswer = false;
  #interimAnswers = 0;
  #mayRetry: boolean;

  constructor(allowed: AllowedRequest) {
    this.#allowed = allowed;
    const { client, request, response, head, allowance } = allowed;
    const { limits } = client.door;
    const asked = { method: request.method ?? "", target: head.target };
    this.#passage = client.door.admit(allowance, asked, (denial) => this.#fail(denial, true));
    this.#mayRetry = isRepeatable(request);
    this.#watchdog = new Watchdog({
      idleTimeoutMs: limits.idleTimeoutMs,
      totalTimeoutMs: limits.totalTimeoutMs,
      onTimeout: (limit, limitMs) => this.#fail(limitReached(allowance.host, limit, limitMs), false),
    });
    client.current = { request, fail: (denial) => this.#fail(denial, true) };
    response.once("close", () => this.#end());
  }

  start(): void {
    const { client, request, response, head, allowance, expectsContinue } = this.#allowed;
    if (expectsContinue) response.writeContinue();
    const authority = authorityOf(allowance, head.target.port);
    const headers = [...requestHeaders(request, authority), "Connection", this.#mayRetry ? "keep-alive" : "close"];
    const bytes = headBytes(`${request.method} ${head.path} HTTP/1.1`, headers);
    this.#whenMayPass(client.door.up, bytes, () => this.#send(headers, bytes));
  }

  /** Heads are payload too: a task could say much in them. */
  #whenMayPass(bucket: RateBucket, bytes: number, step: () => void): void {
    const nowMs = performance.now();
    const delayMs = (this.#bucket(bucket)?.take(bytes, nowMs) ?? nowMs) - nowMs;
    if (delayMs < 1) this.#try(step);
    else this.#headTimer = setTimeout(() => this.#try(step), delayMs);
  }

  /** What an end wrote may be refused by Node where nobody expects it; that is the end of this request, not of the proxy. */
  #try(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(originFailure(this.#allowed.allowance.host, error), false);
    }
  }

  #send(headers: readonly string[], bytes: number): void {
    const { client, request, head, allowance } = this.#allowed;
    const denial = this.#passage.send(bytes);
    if (denial !== undefined) {
      this.#fail(denial, true);
      return;
    }
    const dialling = (): DialOptions => {
      this.#dialling = new AbortController();
      const { connectTimeoutMs: timeoutMs } = client.door.limits;
      return { addresses: allowance.addresses, port: head.target.port, timeoutMs, signal: this.#dialling.signal };
    };
    const options: PooledRequest = {
      host: allowance.host,
      port: head.target.port,
      addresses: allowance.addresses,
      method: request.method ?? "GET",
      path: head.path,
      headers: [...headers],
      setHost: false,
      dialling,
      // What cannot be repeated gets a connection of its own: a kept one may end just when the request is under way.
      ...(this.#mayRetry ? { agent: client.pool } : { createConnection: dialled(dialling) }),
    };
    const upstream = httpRequest(options);
    this.#upstream = upstream;
    upstream
      .on("response", (origin) => this.#onResponse(origin))
      .on("information", ({ rawHeaders }) => this.#onInterimAnswer(rawHeaders))
      .on("error", (error) => this.#onUpstreamError(error, () => this.#send(headers, bytes)))
      // It answered with what is no answer, such as another protocol.
      .on(
        "close",
        () => upstream === this.#upstream && !this.#hasAnswer && this.#fail(originFailure(allowance.host, new Error("no answer")), false),
      );
    this.#sendBody(upstream);
  }

  #sendBody(upstream: ClientRequest): void {
    const { client, request } = this.#allowed;
    if (this.#mayRetry) {
      upstream.end();
      return;
    }
    // The task may wait for a word of the origin before it sends the body.
    upstream.write(HEAD_ONLY);
    this.#stops.push(
      pump({
        source: request,
        target: upstream,
        bucket: () => this.#bucket(client.door.up),
        admit: (bytes) => {
          this.#watchdog.touch();
          const denial = this.#passage.send(bytes);
          if (denial !== undefined) this.#fail(denial, true);
          return denial === undefined;
        },
        onEnd: () => void upstream.end(),
      }),
    );
  }

  /** Some say a word or two before the answer. It is not passed on, and one that goes on and on is none. */
  #onInterimAnswer(headers: readonly string[]): void {
    if (this.#isOver) return;
    this.#passage.receive(headBytes("HTTP/1.1 100 Continue", headers));
    this.#interimAnswers += 1;
    if (this.#interimAnswers > INTERIM_ANSWERS_MAX) this.#malformed("more interim answers than anybody needs");
  }

  #onResponse(origin: IncomingMessage): void {
    if (this.#isOver) return;
    this.#hasAnswer = true;
    this.#watchdog.touch();
    const problem = answerProblem(origin);
    if (problem !== undefined) {
      this.#malformed(problem);
      return;
    }
    gatherPieces(origin, (framing) => void this.#bucket(this.#allowed.client.door.down)?.take(framing, performance.now()));
    const headers = endToEndHeaders(origin);
    const bytes = headBytes(`HTTP/1.1 ${origin.statusCode} ${origin.statusMessage}`, headers);
    this.#passage.receive(bytes);
    // Part of an answer must never look like all of it.
    origin.once("error", () => this.#breakOff()).once("aborted", () => this.#breakOff());
    this.#whenMayPass(this.#allowed.client.door.down, bytes, () => this.#answer(origin, headers));
  }

  #answer(origin: IncomingMessage, headers: string[]): void {
    const { client, response } = this.#allowed;
    response.sendDate = false;
    // Head and body that came together leave together. Not `response.cork`: its `end` writes the last chunk before those that it holds.
    client.socket.cork();
    setImmediate(() => client.socket.uncork());
    response.writeHead(origin.statusCode ?? 502, origin.statusMessage, headers);
    response.write(HEAD_ONLY);
    this.#stops.push(
      pump({
        source: origin,
        target: response,
        bucket: () => this.#bucket(client.door.down),
        admit: (bytes) => {
          this.#watchdog.touch();
          this.#passage.receive(bytes);
          return true;
        },
        onEnd: () => void response.end(),
      }),
    );
  }

  #onUpstreamError(error: Error, sendAgain: () => void): void {
    if (this.#isOver) return;
    const { response, allowance } = this.#allowed;
    if (this.#mayRetry && this.#upstream?.reusedSocket === true && !response.headersSent) {
      // A kept connection that the origin had ended; each try takes one away, and a new one is not tried again.
      sendAgain();
      return;
    }
    this.#fail(originFailure(allowance.host, error), false);
  }

  #bucket(bucket: RateBucket): RateBucket | undefined {
    return this.#allowed.client.door.limits.rateBitsPerSecond === 0 ? undefined : bucket;
  }

  /** The origin left in the middle of its answer. */
  #breakOff(): void {
    if (!this.#isOver) this.#fail(originFailure(this.#allowed.allowance.host, new Error("incomplete answer")), false);
  }

  #malformed(problem: string): void {
    this.#fail(answerMalformed(this.#allowed.allowance.host, problem), false);
  }

  #fail(denial: Denial, isCounted: boolean): void {
    if (this.#isOver) return;
    const { client, request, response } = this.#allowed;
    this.#passage.fail(denial, { isCounted });
    const canAnswer = !response.headersSent && !response.destroyed;
    this.#end();
    if (canAnswer) refuseRequest(request, response, denial);
    else client.socket.destroy();
  }

  /** Whatever is left of either side is of no use any more. */
  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { client, request, response } = this.#allowed;
    client.current = undefined;
    this.#watchdog.stop();
    clearTimeout(this.#headTimer);
    for (const stop of this.#stops) stop();
    this.#dialling?.abort();
    // A connection that served the whole answer may serve the pool again; destroying is a no-op then.
    if (!response.writableFinished || !request.complete) this.#upstream?.destroy();
    if (response.writableFinished && !request.complete) client.socket.destroySoon();
    this.#passage.end();
  }
}

/** Sends the head without waiting for a body. Not `flushHeaders`: it takes the bytes of a head for UTF-16 and writes them as UTF-8. */
const HEAD_ONLY = Buffer.alloc(0);
const INTERIM_ANSWERS_MAX = 32;

function dialled(dialling: PooledRequest["dialling"]): PooledRequest["createConnection"] {
  return (_options, onDone) => {
    dial(dialling()).then(
      (socket) => onDone(null, socket),
      (error: unknown) => onDone(error instanceof Error ? error : new Error(String(error)), undefined as never),
    );
    return undefined;
  };
}

function isRepeatable({ method, headers }: IncomingMessage): boolean {
  const hasBody = headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
  return !hasBody && (method === "GET" || method === "HEAD" || method === "OPTIONS");
}

function authorityOf({ host, isAddress }: Allowance, port: number): string {
  const name = isAddress && host.includes(":") ? `[${host}]` : host;
  return port === 80 ? name : `${name}:${port}`;
}
