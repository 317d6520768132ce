/** The HTTP client that guests may import: names, numbers and codes are Bacalhau's, so that its modules run unchanged. */
export const HTTP_MODULE = "wasi:http/requests";

/** By the number that a guest passes. */
export const HTTP_METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"] as const;

/** What `http_request` returns. */
export const HTTP_RESULT = {
  success: 0,
  invalidUrl: 1,
  networkError: 2,
  timeout: 3,
  notAllowed: 4,
  tooLarge: 5,
  badInput: 6,
  memoryError: 7,
} as const;

export type HttpResult = keyof typeof HTTP_RESULT;

/** A line from the host: the guest wants this request made. */
export interface HttpAsk {
  readonly type: "httpRequest";
  readonly method: (typeof HTTP_METHODS)[number];
  readonly url: string;
  /** `name: value` lines. */
  readonly headers: string;
  /** Length of the request's body, which the agent asks for piece by piece. */
  readonly bodyBytes: number;
  readonly responseHeadersBytesMax: number;
  readonly responseBodyBytesMax: number;
}

/** A line from the host: the piece of the request's body that the agent has asked for. */
export interface HttpBodyPiece {
  readonly type: "httpBody";
  readonly base64: string;
}

/** What the agent writes on the host's stdin while a request lasts: one byte of kind, four of length (little-endian), the payload. */
export const FRAME = { wantBody: 1, head: 2, body: 3, end: 4 } as const;
export const FRAME_HEADER_BYTES = 5;

/** Payload of `wantBody`, as JSON. */
export interface WantedBody {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** Payload of `head`, as JSON. */
export interface ResponseHead {
  readonly status: number;
  /** `name: value` lines; one character is one byte. */
  readonly headers: string;
}

/** Payload of `end`, as JSON; nothing follows it. */
export interface HttpEnd {
  readonly result: HttpResult;
  /** For the task's stderr; empty for nothing. */
  readonly words: string;
}

export const HTTP_BODY_BYTES_MAX = 100 * 1_024 * 1_024;
/** Of the guest's memory, for the body of one response. */
export const HTTP_BODY_SHARE_MAX = 0.8;
export const HTTP_HEADERS_BYTES_MAX = 65_536;
export const HTTP_URL_BYTES_MAX = 8_192;
