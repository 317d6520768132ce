import type { BigIntStats } from "node:fs";
import type { GuestMemory } from "./guest-memory.ts";
import { FILE_TYPE, TIMES_FLAG } from "./wasi-constants.ts";
import { WasiError } from "./wasi-errno.ts";

export function fileTypeOf(entry: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }): number {
  if (entry.isFile()) return FILE_TYPE.regularFile;
  if (entry.isDirectory()) return FILE_TYPE.directory;
  return entry.isSymbolicLink() ? FILE_TYPE.symbolicLink : FILE_TYPE.unknown;
}

export function putFilestat(memory: GuestMemory, pointer: number, stat: BigIntStats, device: number): void {
  putBareFilestat(memory, pointer, fileTypeOf(stat));
  memory.setU64(pointer, BigInt(device));
  memory.setU64(pointer + 8, stat.ino);
  memory.setU64(pointer + 24, stat.nlink);
  memory.setU64(pointer + 32, stat.size);
  memory.setU64(pointer + 40, stat.atimeNs);
  memory.setU64(pointer + 48, stat.mtimeNs);
  memory.setU64(pointer + 56, stat.ctimeNs);
}

/** For what has no file on the host: stdio and synthetic directories. */
export function putBareFilestat(memory: GuestMemory, pointer: number, fileType: number): void {
  memory.bytes(pointer, 64).fill(0);
  memory.setU8(pointer + 16, fileType);
  memory.setU64(pointer + 24, 1n);
}

export interface TimesChange {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly flags: number;
}

/** Both times in seconds, as `utimes` takes them. @throws WasiError EINVAL for flags that contradict each other. */
export function newTimes(stat: BigIntStats, { atimeNs, mtimeNs, flags }: TimesChange): { atime: number; mtime: number } {
  const choose = (set: number, now: number, asked: bigint, current: bigint): number => {
    if ((flags & set) !== 0 && (flags & now) !== 0) throw new WasiError("EINVAL");
    if ((flags & now) !== 0) return Date.now() / 1_000;
    return Number((flags & set) !== 0 ? BigInt.asUintN(64, asked) : current) / 1e9;
  };
  return {
    atime: choose(TIMES_FLAG.atime, TIMES_FLAG.atimeNow, atimeNs, stat.atimeNs),
    mtime: choose(TIMES_FLAG.mtime, TIMES_FLAG.mtimeNow, mtimeNs, stat.mtimeNs),
  };
}
