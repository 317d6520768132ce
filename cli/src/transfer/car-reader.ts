import { DomainError, LIMITS } from "@skrei/domain";
import { isBlockOf } from "@skrei/unixfs/cid.ts";
import { CID } from "multiformats/cid";

/** A block's ids and lengths before its bytes; far more than any CIDv1 takes. */
const SECTION_BYTES_MAX = LIMITS.blockBytesMax + 128;
const VARINT_BYTES_MAX = 8;

export interface CarBlock {
  readonly cid: CID;
  /** Overwritten by the next block: one buffer serves a whole download. */
  readonly bytes: Uint8Array;
}

/**
 * The blocks of a CAR v1 stream in its order, each hashed against its id. The header is skipped: what counts are the blocks that
 * were asked for. Source: https://ipld.io/specs/transport/car/carv1/
 * @throws DomainError corrupt/RESULT_CORRUPT for a block that is not what it claims to be, unavailable/UPSTREAM_UNAVAILABLE for a
 * stream that ends in a block.
 */
export async function* readCar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<CarBlock> {
  const reader = new ByteReader(stream);
  const headerBytes = await readVarint(reader);
  if (headerBytes === undefined) throw cut("The download is empty");
  await reader.take(checkLength(headerBytes));
  for (;;) {
    const sectionBytes = await readVarint(reader);
    if (sectionBytes === undefined) return;
    const [cid, bytes] = decodeSection(await reader.take(checkLength(sectionBytes)));
    if (!isBlockOf(cid, bytes)) throw corrupt(`Block ${cid.toString()} of the download does not match its content id`);
    yield { cid, bytes };
  }
}

function checkLength(sectionBytes: number): number {
  if (sectionBytes <= SECTION_BYTES_MAX) return sectionBytes;
  throw corrupt(`A block of the download has ${sectionBytes} bytes; at most ${LIMITS.blockBytesMax} are valid`);
}

function decodeSection(section: Uint8Array): [CID, Uint8Array] {
  try {
    const [cid, bytes] = CID.decodeFirst(section);
    return [cid.toV1(), bytes];
  } catch (cause) {
    throw corrupt("A block of the download has no readable content id", cause);
  }
}

class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #pending: Uint8Array = new Uint8Array();
  #section = Buffer.allocUnsafe(1_024);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes, valid until the next call. */
  async take(count: number): Promise<Uint8Array> {
    if (this.#section.length < count)
      this.#section = Buffer.allocUnsafeSlow(count <= SECTION_BYTES_MAX / 2 ? SECTION_BYTES_MAX / 2 : SECTION_BYTES_MAX);
    for (let filled = 0; filled < count;) {
      if (this.#pending.length === 0 && !(await this.#fill())) throw cut("The download ended in the middle of a block");
      const part = this.#pending.subarray(0, count - filled);
      this.#section.set(part, filled);
      filled += part.length;
      this.#pending = this.#pending.subarray(part.length);
    }
    return this.#section.subarray(0, count);
  }

  /** One byte, or undefined at the end of the stream. */
  async next(): Promise<number | undefined> {
    while (this.#pending.length === 0) if (!(await this.#fill())) return undefined;
    const byte = this.#pending[0];
    this.#pending = this.#pending.subarray(1);
    return byte;
  }

  async #fill(): Promise<boolean> {
    const { value, done } = await this.#iterator.next();
    if (done === true) return false;
    this.#pending = value;
    return true;
  }
}

async function readVarint(reader: ByteReader): Promise<number | undefined> {
  let value = 0;
  for (let index = 0; index < VARINT_BYTES_MAX; index++) {
    const byte = await reader.next();
    if (byte === undefined && index === 0) return undefined;
    if (byte === undefined) throw cut("The download ended in the middle of a length");
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80 && Number.isSafeInteger(value)) return value;
  }
  throw corrupt("The download has a length that is no number");
}

export function corrupt(message: string, cause?: unknown): DomainError {
  return new DomainError("corrupt", "RESULT_CORRUPT", `${message}.`, {
    hint: "Nothing of it was kept. Download it again; if it fails again, the store or the way to it is damaged.",
    cause,
  });
}

/** Worth another try, unlike wrong bytes. */
export function cut(message: string, cause?: unknown): DomainError {
  return new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", `${message}.`, {
    hint: "Run the same command again: it goes on where it was. If it fails again, the content store's log says why.",
    cause,
  });
}
