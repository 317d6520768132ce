import { DomainError, LIMITS } from "@skrei/domain";
import { isBlockOf } from "@skrei/unixfs/cid.ts";
import { CID } from "multiformats/cid";

/** A block's ids and lengths before its bytes; far more than any CIDv1 takes. */
const SECTION_BYTES_MAX = LIMITS.blockBytesMax + 128;
const VARINT_BYTES_MAX = 8;

export interface CarBlock {
  readonly cid: CID;
  readonly bytes: Uint8Array;
}

/**
 * The blocks of a CAR v1 stream in its order, each hashed against its id. The header is skipped: what counts is the root that
 * was asked for. Source: https://ipld.io/specs/transport/car/carv1/
 * @throws DomainError corrupt/RESULT_CORRUPT for a block that is not what it claims to be, or a stream that ends in a block.
 */
export async function* readCar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<CarBlock> {
  const reader = createByteReader(stream);
  const headerBytes = await readVarint(reader);
  if (headerBytes === undefined) throw corrupt("The download is empty");
  await reader.take(headerBytes);
  for (;;) {
    const sectionBytes = await readVarint(reader);
    if (sectionBytes === undefined) return;
    if (sectionBytes > SECTION_BYTES_MAX)
      throw corrupt(`A block of the download has ${sectionBytes} bytes; at most ${LIMITS.blockBytesMax} are valid`);
    const [cid, bytes] = decodeSection(await reader.take(sectionBytes));
    if (!isBlockOf(cid, bytes)) throw corrupt(`Block ${cid.toString()} of the download does not match its content id`);
    yield { cid, bytes };
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

interface ByteReader {
  /** Exactly so many bytes. */
  take(count: number): Promise<Uint8Array>;
  /** One byte, or undefined at the end of the stream. */
  next(): Promise<number | undefined>;
}

function createByteReader(stream: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = stream[Symbol.asyncIterator]();
  let pending: Uint8Array = new Uint8Array();
  async function fill(): Promise<boolean> {
    const { value, done } = await iterator.next();
    if (done === true) return false;
    pending = pending.length === 0 ? value : Buffer.concat([pending, value]);
    return true;
  }
  return {
    async take(count) {
      const parts: Uint8Array[] = [];
      let missing = count;
      while (missing > 0) {
        if (pending.length === 0 && !(await fill())) throw corrupt("The download ended in the middle of a block");
        const part = pending.subarray(0, missing);
        parts.push(part);
        missing -= part.length;
        pending = pending.subarray(part.length);
      }
      return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    },
    async next() {
      while (pending.length === 0) if (!(await fill())) return undefined;
      const byte = pending[0];
      pending = pending.subarray(1);
      return byte;
    },
  };
}

async function readVarint(reader: ByteReader): Promise<number | undefined> {
  let value = 0;
  for (let index = 0; index < VARINT_BYTES_MAX; index++) {
    const byte = await reader.next();
    if (byte === undefined && index === 0) return undefined;
    if (byte === undefined) throw corrupt("The download ended in the middle of a length");
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80 && Number.isSafeInteger(value)) return value;
  }
  throw corrupt("The download has a length that is no number");
}

export function corrupt(message: string, cause?: unknown): DomainError {
  return new DomainError("corrupt", "RESULT_CORRUPT", `${message}.`, {
    hint: "Nothing was kept. Download it again; if it fails again, the store or the way to it is damaged.",
    cause,
  });
}
