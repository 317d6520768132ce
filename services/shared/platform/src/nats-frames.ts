import { headers as createHeaders, type Msg, type MsgHdrs } from "@nats-io/transport-node";

/** Frames from server to caller. Byte 0 is the kind, bytes 1 to 4 a big-endian sequence number, the rest the body. */
export type FrameKind = "message" | "end" | "beat";
const FRAME_KINDS: readonly FrameKind[] = ["message", "end", "beat"];

export interface Frame {
  readonly kind: FrameKind;
  /** Of a message: its number from 1. Of an end or a beat: how many messages were sent so far. A mismatch means that one was lost. */
  readonly sequence: number;
  readonly body: Uint8Array;
}

export const FRAME_HEAD_BYTES = 5;

export function encodeFrame(kind: FrameKind, sequence: number, body: Uint8Array = EMPTY): Uint8Array {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + body.byteLength);
  bytes[0] = FRAME_KINDS.indexOf(kind);
  bytes.writeUInt32BE(sequence >>> 0, 1);
  bytes.set(body, FRAME_HEAD_BYTES);
  return bytes;
}

/** Undefined when the bytes are no frame. */
export function decodeFrame(data: Uint8Array): Frame | undefined {
  const kind = FRAME_KINDS[data[0] ?? FRAME_KINDS.length];
  if (kind === undefined || data.byteLength < FRAME_HEAD_BYTES) return undefined;
  return { kind, sequence: readSequence(data), body: data.subarray(FRAME_HEAD_BYTES) };
}

/** From caller to server, about one open call, which its reply subject names. */
export interface Control {
  readonly kind: "acknowledge" | "cancel";
  /** Messages consumed so far. */
  readonly sequence: number;
  readonly reply: string;
}
const CONTROL_KINDS: readonly Control["kind"][] = ["acknowledge", "cancel"];

export function encodeControl({ kind, sequence, reply }: Control): Uint8Array {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + Buffer.byteLength(reply));
  bytes[0] = CONTROL_KINDS.indexOf(kind);
  bytes.writeUInt32BE(sequence >>> 0, 1);
  bytes.write(reply, FRAME_HEAD_BYTES);
  return bytes;
}

/** Undefined when the bytes are no control message. */
export function decodeControl(data: Uint8Array): Control | undefined {
  const kind = CONTROL_KINDS[data[0] ?? CONTROL_KINDS.length];
  if (kind === undefined || data.byteLength <= FRAME_HEAD_BYTES) return undefined;
  return { kind, sequence: readSequence(data), reply: Buffer.from(data.subarray(FRAME_HEAD_BYTES)).toString() };
}

/** What travels beside a body, in NATS headers; empty parts are left out, so that most messages have none. */
export interface Meta {
  readonly header?: Headers;
  readonly trailer?: Headers;
  readonly timeoutMs?: number | undefined;
  /** Set on an end frame that is an error; the body has it in full. */
  readonly code?: string;
}

export function encodeMeta({ header, trailer, timeoutMs, code }: Meta): MsgHdrs | undefined {
  const fields: [string, string][] = [];
  const headerText = encodeHeaders(header);
  const trailerText = encodeHeaders(trailer);
  if (headerText !== undefined) fields.push([HEADER, headerText]);
  if (trailerText !== undefined) fields.push([TRAILER, trailerText]);
  if (timeoutMs !== undefined) fields.push([TIMEOUT_MS, String(Math.max(0, Math.ceil(timeoutMs)))]);
  if (code !== undefined) fields.push([CODE, code]);
  if (fields.length === 0) return undefined;
  const encoded = createHeaders();
  for (const [key, value] of fields) encoded.set(key, value);
  return encoded;
}

export function decodeMeta(headers: MsgHdrs | undefined): {
  header: Headers;
  trailer: Headers;
  timeoutMs: number | undefined;
  code: string | undefined;
} {
  const timeoutText = headers?.get(TIMEOUT_MS) ?? "";
  const code = headers?.get(CODE) ?? "";
  return {
    header: decodeHeaders(headers?.get(HEADER)),
    trailer: decodeHeaders(headers?.get(TRAILER)),
    timeoutMs: /^\d{1,12}$/u.test(timeoutText) ? Number(timeoutText) : undefined,
    code: code === "" ? undefined : code,
  };
}

/** NATS itself answers so when nobody subscribes to the subject of a request. */
export function isNoResponders(message: Msg): boolean {
  return message.data.byteLength === 0 && message.headers?.code === 503;
}

/** What a message counts against the server's `max_payload`. */
export function payloadBytes(body: Uint8Array, headers: MsgHdrs | undefined): number {
  if (headers === undefined) return body.byteLength;
  let bytes = HEADERS_HEAD_BYTES;
  for (const [key, values] of headers) for (const value of values) bytes += key.length + Buffer.byteLength(value) + 4;
  return bytes + body.byteLength;
}

const EMPTY = new Uint8Array(0);
const HEADER = "Skrei-Header";
const TRAILER = "Skrei-Trailer";
const TIMEOUT_MS = "Skrei-Timeout-Ms";
const CODE = "Skrei-Code";
/** `NATS/1.0\r\n` and the empty line. */
const HEADERS_HEAD_BYTES = 12;

function readSequence(data: Uint8Array): number {
  return new DataView(data.buffer, data.byteOffset).getUint32(1);
}

/** Names and values of HTTP headers have no line breaks, so their JSON is one header line. */
function encodeHeaders(headers: Headers | undefined): string | undefined {
  if (headers === undefined) return undefined;
  const entries = [...headers];
  return entries.length === 0 ? undefined : JSON.stringify(entries);
}

function decodeHeaders(text: string | undefined): Headers {
  if (text === undefined || text === "") return new Headers();
  try {
    return new Headers(JSON.parse(text) as [string, string][]);
  } catch {
    // A caller with garbage in its headers is treated as one without.
    return new Headers();
  }
}
