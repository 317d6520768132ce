import { WasiError } from "./wasi-errno.ts";

/** Reads and writes the guest's linear memory; every access is bounds-checked and fails with EFAULT. */
export class GuestMemory {
  #memory: WebAssembly.Memory | undefined;
  #view = new DataView(new ArrayBuffer(0));

  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
  }

  get sizeBytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  getU8(pointer: number): number {
    return this.#at(pointer, 1).getUint8(pointer >>> 0);
  }

  getU16(pointer: number): number {
    return this.#at(pointer, 2).getUint16(pointer >>> 0, true);
  }

  getU32(pointer: number): number {
    return this.#at(pointer, 4).getUint32(pointer >>> 0, true);
  }

  getU64(pointer: number): bigint {
    return this.#at(pointer, 8).getBigUint64(pointer >>> 0, true);
  }

  setU8(pointer: number, value: number): void {
    this.#at(pointer, 1).setUint8(pointer >>> 0, value);
  }

  setU16(pointer: number, value: number): void {
    this.#at(pointer, 2).setUint16(pointer >>> 0, value, true);
  }

  setU32(pointer: number, value: number): void {
    this.#at(pointer, 4).setUint32(pointer >>> 0, value, true);
  }

  setU64(pointer: number, value: bigint): void {
    this.#at(pointer, 8).setBigUint64(pointer >>> 0, value, true);
  }

  /** A window into the memory itself; valid until the guest runs again. */
  bytes(pointer: number, length: number): Uint8Array {
    const view = this.#at(pointer, length >>> 0);
    return new Uint8Array(view.buffer as ArrayBuffer, pointer >>> 0, length >>> 0);
  }

  text(pointer: number, length: number): string {
    const bytes = this.bytes(pointer, length);
    try {
      return UTF8.decode(bytes);
    } catch {
      // The decoder throws on malformed UTF-8 only.
      throw new WasiError("EILSEQ");
    }
  }

  /** The windows of an iovec array. */
  vectors(pointer: number, count: number): Uint8Array[] {
    if (count >>> 0 > VECTORS_MAX) throw new WasiError("EINVAL");
    const vectors: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const length = this.getU32(pointer + i * 8 + 4);
      if (length > 0) vectors.push(this.bytes(this.getU32(pointer + i * 8), length));
    }
    return vectors;
  }

  #at(pointer: number, length: number): DataView {
    const buffer = this.#memory?.buffer;
    if (buffer === undefined) throw new WasiError("EFAULT");
    // Growth replaces the buffer and detaches the old one.
    if (this.#view.buffer !== buffer) this.#view = new DataView(buffer);
    if ((pointer >>> 0) + length > buffer.byteLength) throw new WasiError("EFAULT");
    return this.#view;
  }
}

/** IOV_MAX of Linux. */
const VECTORS_MAX = 1_024;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
