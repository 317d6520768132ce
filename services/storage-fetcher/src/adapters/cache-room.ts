import { statfsSync } from "node:fs";
import { DomainError } from "@skrei/domain";
import { diskBytes, type Evictable, planEviction } from "../domain/eviction.ts";
import type { Clock } from "../ports.ts";

export interface RoomLimits {
  /** All entries and what is on its way. */
  readonly bytesMax: number;
  /** Of the disk, left free. */
  readonly freeBytesMin: number;
}

/** What the room is made of. */
export interface RoomParts {
  readonly folder: string;
  readonly limits: RoomLimits;
  readonly clock: Clock;
  readonly entries: () => readonly Evictable[];
  /** What those take on the disk. */
  readonly entryBytes: () => number;
  /** Kept downloads that nobody goes on with now, the oldest first. */
  readonly idlePartials: () => readonly { readonly name: string; readonly sizeBytes: number }[];
  /** Removes; the files may take a while. */
  readonly evict: (keys: readonly string[]) => void;
  readonly dropPartial: (name: string) => void;
}

/** Sees that the cache keeps to its bytes, and that enough of its disk stays free. */
export class CacheRoom {
  readonly #parts: RoomParts;
  readonly #reserved = new Map<string, number>();
  #leavingBytes = 0;
  #checkedAtMs = 0;

  constructor(parts: RoomParts) {
    this.#parts = parts;
  }

  open(path: string, sizeBytes: number): void {
    this.#reserved.set(path, sizeBytes);
  }

  close(path: string): void {
    this.#reserved.delete(path);
  }

  /** Files that are being removed count as free. */
  async leaving(sizeBytes: number, removing: Promise<void>): Promise<void> {
    this.#leavingBytes += sizeBytes;
    try {
      await removing;
    } finally {
      this.#leavingBytes -= sizeBytes;
    }
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#parts.folder);
    return bavail * bsize;
  }

  /** @throws DomainError exhausted/CACHE_FULL. */
  cover(path: string, sizeBytes: number): void {
    const { limits, clock } = this.#parts;
    const coveredBytes = this.#reserved.get(path) ?? 0;
    const nowMs = clock.nowMs();
    if (sizeBytes <= coveredBytes && Math.abs(nowMs - this.#checkedAtMs) < FREE_CHECK_MS) return;
    this.#checkedAtMs = nowMs;
    const newBytes = Math.max(sizeBytes - coveredBytes, 0);
    const floorBytes = limits.freeBytesMin + newBytes - this.freeBytes() - this.#leavingBytes;
    if (newBytes === 0) return this.#free(floorBytes, { wantedBytes: sizeBytes, isFloor: true });
    const othersBytes = [...this.#reserved].reduce((sum, [other, bytes]) => (other === path ? sum : sum + bytes), 0);
    const usedBytes = (): number => this.#parts.entryBytes() + othersBytes + this.#partialBytes();
    const budgetBytes = usedBytes() + sizeBytes - limits.bytesMax;
    this.#free(Math.max(floorBytes, budgetBytes), { wantedBytes: sizeBytes, isFloor: floorBytes > budgetBytes });
    // Room is taken in steps, so that not every piece of a download asks the database.
    this.#reserved.set(path, Math.max(sizeBytes, Math.min(sizeBytes + AHEAD_BYTES, limits.bytesMax - usedBytes())));
  }

  #partialBytes(): number {
    return this.#parts.idlePartials().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Half downloads go first: they are of use to fewer. */
  #free(bytes: number, why: { readonly wantedBytes: number; readonly isFloor: boolean }): void {
    if (bytes <= 0) return;
    let leftBytes = bytes;
    const partials = this.#parts.idlePartials();
    const entries = this.#parts.entries();
    const partialBytes = partials.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    // A little more than needed, so that the next one finds room without asking.
    const slack = planEviction(entries, bytes - partialBytes + Math.floor(this.#parts.limits.bytesMax * SLACK));
    const { keys, missingBytes } = slack.missingBytes === 0 && bytes > partialBytes ? slack : planEviction(entries, bytes - partialBytes);
    if (missingBytes > 0) throw this.#full(entries, { ...why, missingBytes });
    for (const { name, sizeBytes } of partials) {
      if (leftBytes <= 0) break;
      this.#parts.dropPartial(name);
      leftBytes -= sizeBytes;
    }
    if (keys.length > 0) this.#parts.evict(keys);
  }

  #full(
    entries: readonly Evictable[],
    { wantedBytes, isFloor, missingBytes }: { readonly wantedBytes: number; readonly isFloor: boolean; readonly missingBytes: number },
  ): DomainError {
    const { bytesMax, freeBytesMin } = this.#parts.limits;
    const leasedBytes = diskBytes(entries.filter(({ isLeased }) => isLeased));
    const why = isFloor
      ? `${freeBytesMin} bytes of its disk stay free, ${this.freeBytes()} are, and ${leasedBytes} bytes are in use by executions`
      : `${leasedBytes} of its ${bytesMax} bytes are in use by executions and ${missingBytes} bytes are missing`;
    const metadata = { leasedBytes: String(leasedBytes), cacheBytesMax: String(bytesMax), missingBytes: String(missingBytes) };
    return new DomainError("exhausted", "CACHE_FULL", `The input cache has no room for ${wantedBytes} bytes: ${why}.`, {
      hint: isFloor
        ? "Free space on the node's disk, or wait for executions to end."
        : "Wait for executions to end, or raise cacheBytesMax.",
      metadata: isFloor ? { ...metadata, freeBytesMin: String(freeBytesMin) } : metadata,
    });
  }
}

const AHEAD_BYTES = 16 * 1_048_576;
const SLACK = 0.1;
const FREE_CHECK_MS = 250;
