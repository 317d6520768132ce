import type { IncomingMessage } from "node:http";
import type { DomainError } from "@skrei/domain";
import { ConnectionFailure } from "./connection-failure.ts";
import type { Endpoint, Target } from "./endpoint.ts";
import { exchange, type ObjectBody } from "./exchange.ts";
import { payloadHashOf } from "./payload-hash.ts";
import { type ReadOptions, readText } from "./read-answer.ts";
import { mayRetryFailure, mayRetryRefusal, retryDelayMs, type Safety } from "./retry.ts";
import { connectionError, parseRefusal, type RequestSubject, toDomainError } from "./s3-error.ts";
import { encodeQuery, type S3Credentials, signRequest, UNSIGNED_PAYLOAD } from "./sign-v4.ts";
import type { Transport } from "./transport.ts";
import { parseXml, type XmlElement } from "./xml.ts";

export interface RequestSettings {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly credentials: S3Credentials | undefined;
  readonly clock: { nowMs(): number; sleep(delayMs: number, signal: AbortSignal): Promise<void> };
  readonly random: () => number;
  readonly triesMax: number;
  readonly answerTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly bucket: string;
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Lower-case names; all are signed. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | ObjectBody;
  /** Hex of the body's SHA-256 if it is known already. */
  readonly sha256?: string;
  readonly safety: Safety;
  /** Whoever reads the answer's body does it by `readBody`, and keeps no piece of it. Default: false. */
  readonly isDiverted?: boolean;
  readonly signal: AbortSignal;
}

/** Signed requests with bounded repetitions; every answer that is not 2xx becomes an error. */
export class S3Requests {
  readonly settings: RequestSettings;

  constructor(settings: RequestSettings) {
    this.settings = settings;
  }

  /** An answer whose body is the caller's to read or to destroy. @throws DomainError; the signal's reason. */
  async send(request: S3Request): Promise<IncomingMessage> {
    return await this.#repeat(request, async (response) => await Promise.resolve(response));
  }

  /** The document that the server answers with. A body that breaks is asked for again like an answer that does. */
  async sendForXml(request: S3Request): Promise<XmlElement> {
    return await this.#repeat(request, async (response) => {
      const text = await readText(response, XML_BYTES_MAX, this.#reading(request));
      try {
        return parseXml(text.trim());
      } catch (cause) {
        throw new ConnectionFailure("the answer is not the XML that was expected", { isFinal: true, cause });
      }
    });
  }

  /** For answers whose headers are all. */
  async sendForHeaders(request: S3Request): Promise<IncomingMessage> {
    return await this.#repeat(request, async (response) => {
      await readText(response, REFUSAL_BYTES_MAX, this.#reading(request));
      return response;
    });
  }

  async #repeat<T>(request: S3Request, take: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const { clock, random, triesMax, endpoint } = this.settings;
    const target = endpoint.target(request.bucket, request.key);
    const subject = { bucket: request.bucket, key: request.key, host: target.host };
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#try(request, target, take).catch((error: unknown) => failed(error, request.safety));
      if ("value" in outcome) return outcome.value;
      request.signal.throwIfAborted();
      const delayMs = retryDelayMs(attempt + 1, outcome.retryAfterMs, random());
      if (!outcome.mayRetry || attempt >= triesMax || delayMs === undefined) throw outcome.error(subject, attempt);
      await clock.sleep(delayMs, request.signal);
    }
  }

  async #try<T>(
    request: S3Request,
    target: Target,
    take: (response: IncomingMessage) => Promise<T>,
  ): Promise<{ readonly value: T } | Failed> {
    const { transport, answerTimeoutMs, clock } = this.settings;
    const { signal, query = {}, isDiverted = false } = request;
    const search = encodeQuery(query);
    const headers = await this.#headers(request, target);
    const path = search === "" ? target.path : `${target.path}?${search}`;
    const response = await exchange(transport.open(target, { method: request.method, path, headers, isDiverted }), {
      body: request.body,
      answerTimeoutMs,
      signal,
    });
    const { statusCode: status = 0 } = response;
    if (status >= 200 && status < 300) return { value: await take(response) };
    // Without its body the status says enough.
    const body = await readText(response, REFUSAL_BYTES_MAX, this.#reading(request)).catch(() => "");
    const refusal = parseRefusal(status, response.headers, body, clock.nowMs());
    return {
      mayRetry: mayRetryRefusal(refusal, request.safety),
      retryAfterMs: refusal.retryAfterMs,
      error: (subject) => toDomainError(refusal, subject),
    };
  }

  #reading({ method, signal }: S3Request): ReadOptions {
    return { idleTimeoutMs: this.settings.idleTimeoutMs, isBodiless: method === "HEAD", signal };
  }

  async #headers(request: S3Request, target: Target): Promise<Record<string, string>> {
    const { credentials, endpoint, clock } = this.settings;
    const { body, method, query = {} } = request;
    const base = { host: target.host, "user-agent": "skrei", ...request.headers };
    const length = lengthOf(request);
    const unsigned = length === undefined ? {} : { "content-length": String(length) };
    if (credentials === undefined) return { ...base, ...unsigned };
    // Over plain HTTP the signature covers the body, so one that is not in memory is read once more.
    const payloadHash = target.isTls ? UNSIGNED_PAYLOAD : (request.sha256 ?? (await payloadHashOf(body)));
    const signed = { method, path: target.path, query, headers: base, payloadHash };
    return { ...signRequest(signed, { credentials, region: endpoint.region, nowMs: clock.nowMs() }), ...unsigned };
  }
}

interface Failed {
  readonly mayRetry: boolean;
  readonly retryAfterMs: number | undefined;
  error(subject: RequestSubject, tries: number): DomainError;
}

function failed(error: unknown, safety: Safety): Failed {
  if (!(error instanceof ConnectionFailure)) throw error;
  return {
    mayRetry: mayRetryFailure(error, safety),
    retryAfterMs: undefined,
    error: (subject, tries) => connectionError(subject, error, tries),
  };
}

function lengthOf({ body, method }: S3Request): number | undefined {
  if (body === undefined) return method === "PUT" || method === "POST" ? 0 : undefined;
  return body instanceof Uint8Array ? body.length : body.sizeBytes;
}

/** A page of 1,000 keys of 1,024 bytes, three characters a byte, with owners, has about 4 MB. */
const XML_BYTES_MAX = 8 * 1_048_576;
const REFUSAL_BYTES_MAX = 65_536;
