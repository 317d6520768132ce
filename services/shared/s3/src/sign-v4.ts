import { createHash, createHmac } from "node:crypto";

/** What a server knows a caller by. Never logged. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string;
}

export interface SigningContext {
  readonly credentials: S3Credentials;
  readonly region: string;
  /** Milliseconds since 1970, in UTC as the server sees it. */
  readonly nowMs: number;
}

export interface UnsignedRequest {
  readonly method: string;
  /** Percent-encoded and sent as it is: S3 does not normalise paths. */
  readonly path: string;
  /** Not encoded yet. */
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names, `host` among them; all are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** Lower-case hex of the body's SHA-256, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
}

/**
 * The headers with those of AWS Signature Version 4 added (`authorization`, `x-amz-date`, `x-amz-content-sha256`, token).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function signRequest(request: UnsignedRequest, context: SigningContext): Record<string, string> {
  const { credentials, nowMs } = context;
  const headers: Record<string, string> = {
    ...request.headers,
    "x-amz-content-sha256": request.payloadHash,
    "x-amz-date": amzDate(nowMs),
    ...(credentials.sessionToken === undefined ? {} : { "x-amz-security-token": credentials.sessionToken }),
  };
  const { signature, signedHeaders } = sign({ ...request, headers }, context);
  const credential = `${credentials.accessKeyId}/${scope(context)}`;
  headers["authorization"] = `${ALGORITHM} Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  return headers;
}

/**
 * The query of a link that works without credentials until it expires. Only `host` is signed.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
export function presignQuery(
  request: Pick<UnsignedRequest, "method" | "path" | "query"> & { readonly host: string; readonly expiresInS: number },
  context: SigningContext,
): string {
  const { credentials, nowMs } = context;
  const query = {
    ...request.query,
    "X-Amz-Algorithm": ALGORITHM,
    "X-Amz-Credential": `${credentials.accessKeyId}/${scope(context)}`,
    "X-Amz-Date": amzDate(nowMs),
    "X-Amz-Expires": String(request.expiresInS),
    "X-Amz-SignedHeaders": "host",
    ...(credentials.sessionToken === undefined ? {} : { "X-Amz-Security-Token": credentials.sessionToken }),
  };
  const { signature } = sign({ ...request, query, headers: { host: request.host }, payloadHash: UNSIGNED_PAYLOAD }, context);
  return `${encodeQuery(query)}&X-Amz-Signature=${signature}`;
}

/** As S3 expects it: RFC 3986, sorted by name; also what is sent, so that signature and request cannot differ. */
export function encodeQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => [encodeRfc3986(name), encodeRfc3986(value)] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

/** Everything but letters, digits and `-._~` percent-encoded in UTF-8. */
export function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/gu, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** For bodies that TLS protects already. */
export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";

function sign(request: UnsignedRequest, context: SigningContext): { readonly signature: string; readonly signedHeaders: string } {
  const names = Object.keys(request.headers).sort();
  const signedHeaders = names.join(";");
  const canonical = [
    request.method,
    request.path,
    encodeQuery(request.query),
    ...names.map((name) => `${name}:${(request.headers[name] ?? "").trim().replace(/\s+/gu, " ")}`),
    "",
    signedHeaders,
    request.payloadHash,
  ].join("\n");
  const digest = createHash("sha256").update(canonical).digest("hex");
  const text = [ALGORITHM, amzDate(context.nowMs), scope(context), digest].join("\n");
  return { signature: hmac(signingKey(context), text).toString("hex"), signedHeaders };
}

function signingKey({ credentials, region, nowMs }: SigningContext): Buffer {
  const day = hmac(`AWS4${credentials.secretAccessKey}`, amzDate(nowMs).slice(0, 8));
  return hmac(hmac(hmac(day, region), "s3"), "aws4_request");
}

function scope({ region, nowMs }: SigningContext): string {
  return `${amzDate(nowMs).slice(0, 8)}/${region}/s3/aws4_request`;
}

/** Such as 20130524T000000Z. */
function amzDate(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/[-:]|\.\d+/gu, "");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

const ALGORITHM = "AWS4-HMAC-SHA256";
