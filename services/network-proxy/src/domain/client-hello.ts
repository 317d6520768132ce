/** What the first bytes of a connection say. `notTls` is final, and so is `hello`: more bytes never change them. */
export type ClientHello =
  | { readonly kind: "incomplete" }
  | { readonly kind: "notTls" }
  | {
      readonly kind: "hello";
      /** As sent, in visible ASCII; undefined when there is none. */
      readonly serverName: string | undefined;
      /** The real name may be another, encrypted; clients also send this extension without meaning it (RFC 9849, GREASE). */
      readonly isEncrypted: boolean;
    };

/** A reader need not keep more than this, record headers included; a longer ClientHello is `notTls`. */
export const CLIENT_HELLO_BYTES_MAX = 64 * 1024;

/**
 * Reads the ClientHello at the beginning of `bytes` (RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3), however many records
 * it spans. Anything malformed, or open to two readings, is `notTls`. Never throws.
 */
export function readClientHello(bytes: Uint8Array): ClientHello {
  const message = readHandshake(bytes.subarray(0, CLIENT_HELLO_BYTES_MAX));
  if (message === "incomplete") return { kind: bytes.length < CLIENT_HELLO_BYTES_MAX ? "incomplete" : "notTls" };
  if (message === "notTls") return { kind: "notTls" };
  return readHello(new Reader(message)) ?? { kind: "notTls" };
}

const RECORD_HANDSHAKE = 22;
const RECORD_HEADER_BYTES = 5;
/** Clients use one to five; far more would make each look at the bytes expensive. */
const RECORDS_MAX = 256;
const HANDSHAKE_HEADER_BYTES = 4;
const RECORD_BYTES_MAX = 16_384;
const HANDSHAKE_CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSIONS_ENCRYPTED = new Set([0xfe0d, 0xffce]);

/** The body of the first handshake message. Refuses as early as it can, for who does not speak TLS may wait for an answer. */
function readHandshake(bytes: Uint8Array): Uint8Array | "incomplete" | "notTls" {
  const fragments: Uint8Array[] = [];
  const header: number[] = [];
  let offset = 0;
  let length = 0;
  while (offset < bytes.length) {
    const fragmentBytes = readRecordHeader(bytes.subarray(offset, offset + RECORD_HEADER_BYTES));
    if (fragmentBytes === undefined || fragments.length === RECORDS_MAX) return "notTls";
    offset += RECORD_HEADER_BYTES;
    const fragment = bytes.subarray(offset, offset + fragmentBytes);
    offset += fragmentBytes;
    fragments.push(fragment);
    length += fragment.length;
    header.push(...fragment.subarray(0, HANDSHAKE_HEADER_BYTES - header.length));
    const end = readHandshakeHeader(header);
    if (end === undefined) return "notTls";
    if (length >= end) return joinBytes(fragments, length).subarray(HANDSHAKE_HEADER_BYTES, end);
  }
  return "incomplete";
}

/** Length of the fragment, a guess while the header is incomplete; undefined when it is none of a handshake. */
function readRecordHeader(header: Uint8Array): number | undefined {
  const [type, major = 3, , high = 0, low] = header;
  const fragmentBytes = low === undefined ? Math.max(1, high * 256) : high * 256 + low;
  const isHandshake = type === RECORD_HANDSHAKE && major === 3;
  return isHandshake && fragmentBytes > 0 && fragmentBytes <= RECORD_BYTES_MAX ? fragmentBytes : undefined;
}

/** Where the message ends, which is never while its header is incomplete; undefined when it is no ClientHello or too long. */
function readHandshakeHeader(header: readonly number[]): number | undefined {
  const [type = HANDSHAKE_CLIENT_HELLO, high = 0, middle, low] = header;
  if (type !== HANDSHAKE_CLIENT_HELLO || high > 0) return undefined;
  return middle === undefined || low === undefined ? Number.POSITIVE_INFINITY : HANDSHAKE_HEADER_BYTES + middle * 256 + low;
}

function joinBytes(fragments: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const fragment of fragments) {
    joined.set(fragment, offset);
    offset += fragment.length;
  }
  return joined;
}

function readHello(reader: Reader): ClientHello | undefined {
  const major = reader.take(2)?.[0];
  const random = reader.take(32);
  const sessionId = reader.vector(1);
  const cipherSuites = reader.vector(2);
  const compressions = reader.vector(1);
  if (major !== 3 || random === undefined || sessionId === undefined || cipherSuites === undefined || compressions === undefined)
    return undefined;
  if (reader.isAtEnd) return { kind: "hello", serverName: undefined, isEncrypted: false };
  const extensions = reader.vector(2);
  return extensions === undefined || !reader.isAtEnd ? undefined : readExtensions(new Reader(extensions));
}

function readExtensions(reader: Reader): ClientHello | undefined {
  const seen = new Set<number>();
  let serverName: string | undefined;
  while (!reader.isAtEnd) {
    const type = reader.integer(2);
    const data = reader.vector(2);
    if (type === undefined || data === undefined || seen.has(type)) return undefined;
    seen.add(type);
    if (type !== EXTENSION_SERVER_NAME) continue;
    serverName = readServerName(new Reader(data));
    if (serverName === undefined) return undefined;
  }
  return { kind: "hello", serverName, isEncrypted: [...EXTENSIONS_ENCRYPTED].some((type) => seen.has(type)) };
}

/** Exactly one name: with two, the server might take the other one. */
function readServerName(reader: Reader): string | undefined {
  const list = reader.vector(2);
  if (list === undefined || !reader.isAtEnd) return undefined;
  const names = new Reader(list);
  const type = names.integer(1);
  const name = names.vector(2);
  if (type !== 0 || name === undefined || !names.isAtEnd || name.length === 0 || name.length > 255) return undefined;
  return name.every((byte) => byte > 0x20 && byte < 0x7f) ? String.fromCharCode(...name) : undefined;
}

/** Undefined is the end of the bytes. */
class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  take(length: number): Uint8Array | undefined {
    const end = this.#offset + length;
    if (end > this.#bytes.length) return undefined;
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  /** Big-endian. */
  integer(lengthBytes: number): number | undefined {
    return this.take(lengthBytes)?.reduce((value, byte) => value * 256 + byte, 0);
  }

  /** As many bytes as the integer before them says. */
  vector(lengthBytes: number): Uint8Array | undefined {
    const length = this.integer(lengthBytes);
    return length === undefined ? undefined : this.take(length);
  }
}
