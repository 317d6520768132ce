import { lstatSync, readdirSync, type BigIntStats } from "node:fs";
import { WasiError } from "./wasi-errno.ts";

/** Counts the bytes and entries below all writable mounts of one execution. Holes count as written. */
export class DiskQuota {
  readonly #bytesMax: number;
  readonly #entriesMax: number;
  /** Open descriptors by file, so that an unlinked file counts until its last descriptor closes. */
  readonly #openFiles = new Map<bigint, { descriptors: number; isUnlinked: boolean }>();
  #usedBytes = 0;
  #entries = 0;
  #wasExceeded = false;

  constructor(limits: { readonly bytesMax: number; readonly entriesMax: number }) {
    this.#bytesMax = limits.bytesMax;
    this.#entriesMax = limits.entriesMax;
  }

  /** True once a write was refused. */
  get wasExceeded(): boolean {
    return this.#wasExceeded;
  }

  /** Counts what a writable folder holds already. */
  countFolder(path: string): void {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      this.#entries++;
      if (entry.isDirectory()) this.countFolder(`${path}/${entry.name}`);
      else if (entry.isFile()) this.#usedBytes += lstatSync(`${path}/${entry.name}`).size;
    }
  }

  /** How many of `growthBytes` may be added now; at least 1 unless none are asked for. @throws WasiError ENOSPC. */
  take(growthBytes: number): number {
    if (growthBytes <= 0) return 0;
    const granted = Math.min(growthBytes, this.#bytesMax - this.#usedBytes);
    if (granted < growthBytes) this.#wasExceeded = true;
    if (granted <= 0) throw new WasiError("ENOSPC");
    this.#usedBytes += granted;
    return granted;
  }

  /** All of `growthBytes` or ENOSPC. */
  takeAll(growthBytes: number): void {
    if (growthBytes > this.#bytesMax - this.#usedBytes) {
      this.#wasExceeded = true;
      throw new WasiError("ENOSPC");
    }
    this.#usedBytes += growthBytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  takeEntry(): void {
    if (this.#entries >= this.#entriesMax) {
      this.#wasExceeded = true;
      throw new WasiError("ENOSPC");
    }
    this.#entries++;
  }

  giveEntry(): void {
    this.#entries--;
  }

  opened(stat: BigIntStats): void {
    const file = this.#openFiles.get(fileKey(stat)) ?? { descriptors: 0, isUnlinked: false };
    file.descriptors++;
    this.#openFiles.set(fileKey(stat), file);
  }

  closed(stat: BigIntStats): void {
    const file = this.#openFiles.get(fileKey(stat));
    if (file === undefined || --file.descriptors > 0) return;
    this.#openFiles.delete(fileKey(stat));
    if (file.isUnlinked) this.give(Number(stat.size));
  }

  /** `stat` was taken before a name of the file went away. */
  unlinked(stat: BigIntStats): void {
    this.giveEntry();
    if (!stat.isFile() || stat.nlink > 1n) return;
    const file = this.#openFiles.get(fileKey(stat));
    if (file === undefined) this.give(Number(stat.size));
    else file.isUnlinked = true;
  }
}

function fileKey(stat: BigIntStats): bigint {
  return (stat.dev << 64n) | stat.ino;
}
