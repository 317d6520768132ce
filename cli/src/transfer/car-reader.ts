import { DomainError, LIMITS } from "@skrei/domain";
import { isBlockOf } from "@skrei/unixfs/cid.ts";
import { CID } from "multiformats/cid";

/** A block's ids and lengths before its bytes; far more than any CIDv1 takes. */
const SECTION_BYTES_MAX = LIMITS.blockBytesMax + 128;
/** Takes the usual block of 1 MiB. */
const SECTION_BYTES_USUAL = LIMITS.blockBytesMax / 2 + 128;
const VARINT_BYTES_MAX = 8;

/** Bytes are valid only until it returns: one buffer serves a whole download. */
export type TakeBlock = (cid: CID, bytes: Uint8Array) => void;

/**
 * Takes the pieces of a CAR v1 stream and gives its blocks in its order, each hashed against its id. The header is skipped: what
 * counts are the blocks that were asked for. Pushed and not pulled, because a promise for each piece costs more than its bytes.
 * Source: https://ipld.io/specs/transport/car/carv1/
 * @throws DomainError corrupt/RESULT_CORRUPT for a block that is not what it claims to be, unavailable/UPSTREAM_UNAVAILABLE for a
 * stream that ends in a block.
 */
export class CarReader {
  readonly #take: TakeBlock;
  #section: Buffer;
  /** Of the section that is being read; undefined while its length is. */
  #sectionBytes: number | undefined;
  #filled = 0;
  #length = 0;
  #lengthBytes = 0;
  #isPastHeader = false;

  /** @param section a buffer that an earlier reader had. */
  constructor(take: TakeBlock, section: Buffer = Buffer.alloc(0)) {
    this.#take = take;
    this.#section = section;
  }

  /** The buffer of blocks, for the next reader once this one has ended. */
  get section(): Buffer {
    return this.#section;
  }

  push(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      at = this.#sectionBytes === undefined ? this.#readLength(piece, at) : this.#readSection(piece, at, this.#sectionBytes);
    }
  }

  end(): void {
    if (this.#sectionBytes !== undefined) throw cut("The download ended in the middle of a block");
    if (this.#lengthBytes > 0) throw cut("The download ended in the middle of a length");
    if (!this.#isPastHeader) throw cut("The download is empty");
  }

  /** One byte of an unsigned LEB128. */
  #readLength(piece: Uint8Array, at: number): number {
    const byte = piece[at] ?? 0;
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes);
    this.#lengthBytes += 1;
    if (byte >= 0x80) {
      if (this.#lengthBytes < VARINT_BYTES_MAX) return at + 1;
      throw corrupt("The download has a length that is no number");
    }
    if (this.#length > SECTION_BYTES_MAX)
      throw corrupt(`A block of the download has ${this.#length} bytes; at most ${LIMITS.blockBytesMax} are valid`);
    this.#sectionBytes = this.#length;
    [this.#length, this.#lengthBytes, this.#filled] = [0, 0, 0];
    if (this.#sectionBytes === 0) this.#finish(new Uint8Array());
    return at + 1;
  }

  #readSection(piece: Uint8Array, at: number, sectionBytes: number): number {
    const part = piece.subarray(at, at + sectionBytes - this.#filled);
    if (part.length === sectionBytes) this.#finish(part);
    else {
      if (this.#section.length < sectionBytes)
        this.#section = Buffer.allocUnsafeSlow(sectionBytes <= SECTION_BYTES_USUAL ? SECTION_BYTES_USUAL : SECTION_BYTES_MAX);
      this.#section.set(part, this.#filled);
      this.#filled += part.length;
      if (this.#filled === sectionBytes) this.#finish(this.#section.subarray(0, sectionBytes));
    }
    return at + part.length;
  }

  #finish(section: Uint8Array): void {
    this.#sectionBytes = undefined;
    if (this.#isPastHeader) {
      const [cid, bytes] = decodeSection(section);
      if (!isBlockOf(cid, bytes)) throw corrupt(`Block ${cid.toString()} of the download does not match its content id`);
      this.#take(cid, bytes);
    }
    this.#isPastHeader = true;
  }
}

function decodeSection(section: Uint8Array): [CID, Uint8Array] {
  try {
    const [cid, bytes] = CID.decodeFirst(section);
    return [cid.toV1(), bytes];
  } catch (cause) {
    throw corrupt("A block of the download has no readable content id", cause);
  }
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
