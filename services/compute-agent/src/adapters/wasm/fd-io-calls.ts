import { fstatSync, readvSync, writevSync } from "node:fs";
import type { FileEntry } from "./fd-table.ts";
import { writeStdio } from "./stdio.ts";
import { FD_FLAG, RIGHT, WHENCE } from "./wasi-constants.ts";
import type { SystemCalls, WasiContext } from "./wasi-context.ts";
import { WasiError } from "./wasi-errno.ts";

/** fd_read, fd_write, fd_pread, fd_pwrite, fd_seek, fd_tell. */
export function fdIoCalls(context: WasiContext): SystemCalls {
  const { memory, fds } = context;
  return {
    fd_read: (fd: number, vectorsPointer: number, vectorsCount: number, readPointer: number) => {
      const vectors = memory.vectors(vectorsPointer, vectorsCount);
      const entry = fds.get(fd, RIGHT.fdRead);
      memory.setU32(readPointer, entry.kind === "stdin" ? 0 : readAtPosition(fds.file(fd, RIGHT.fdRead), vectors));
    },
    fd_pread: (fd: number, vectorsPointer: number, vectorsCount: number, offset: bigint, readPointer: number) => {
      const file = fds.file(fd, RIGHT.fdRead);
      memory.setU32(readPointer, readAt(file, memory.vectors(vectorsPointer, vectorsCount), toOffset(offset)));
    },
    fd_write: (fd: number, vectorsPointer: number, vectorsCount: number, writtenPointer: number) => {
      const vectors = memory.vectors(vectorsPointer, vectorsCount);
      const entry = fds.get(fd, RIGHT.fdWrite);
      memory.setU32(writtenPointer, 0);
      const written =
        entry.kind === "stdout" || entry.kind === "stderr"
          ? writeStream(entry.kind === "stdout" ? 1 : 2, vectors)
          : writeAtPosition(context, fds.file(fd, RIGHT.fdWrite), vectors);
      memory.setU32(writtenPointer, written);
    },
    fd_pwrite: (fd: number, vectorsPointer: number, vectorsCount: number, offset: bigint, writtenPointer: number) => {
      const file = fds.file(fd, RIGHT.fdWrite);
      memory.setU32(writtenPointer, writeAt(context, file, memory.vectors(vectorsPointer, vectorsCount), toOffset(offset)));
    },
    fd_seek: (fd: number, offset: bigint, whence: number, positionPointer: number) => {
      const file = fds.file(fd, offset === 0n && whence === WHENCE.current ? RIGHT.fdTell : RIGHT.fdSeek);
      const position = seekBase(file, whence) + Number(offset);
      if (position < 0 || position > Number.MAX_SAFE_INTEGER) throw new WasiError("EINVAL");
      file.position = position;
      memory.setU64(positionPointer, BigInt(position));
    },
    fd_tell: (fd: number, positionPointer: number) => memory.setU64(positionPointer, BigInt(fds.file(fd, RIGHT.fdTell).position)),
  };
}

/** A guest's unsigned 64-bit offset as a number. @throws WasiError EINVAL beyond 2^53. */
export function toOffset(offset: bigint): number {
  const value = Number(BigInt.asUintN(64, offset));
  if (!Number.isSafeInteger(value)) throw new WasiError("EINVAL");
  return value;
}

function seekBase(file: FileEntry, whence: number): number {
  switch (whence) {
    case WHENCE.set:
      return 0;
    case WHENCE.current:
      return file.position;
    case WHENCE.end:
      return fstatSync(file.hostFd).size;
    default:
      throw new WasiError("EINVAL");
  }
}

function readAtPosition(file: FileEntry, vectors: readonly Uint8Array[]): number {
  const length = readAt(file, vectors, file.position);
  file.position += length;
  return length;
}

function readAt(file: FileEntry, vectors: readonly Uint8Array[], position: number): number {
  return vectors.length === 0 ? 0 : readvSync(file.hostFd, vectors, position);
}

function writeStream(hostFd: number, vectors: readonly Uint8Array[]): number {
  for (const vector of vectors) writeStdio(hostFd, vector);
  return lengthOf(vectors);
}

function writeAtPosition(context: WasiContext, file: FileEntry, vectors: readonly Uint8Array[]): number {
  if ((file.flags & FD_FLAG.append) !== 0) file.position = fstatSync(file.hostFd).size;
  const length = writeAt(context, file, vectors, file.position);
  file.position += length;
  return length;
}

/** Writes as much as the quota leaves; what the host then writes less is given back. */
function writeAt({ quotaOf }: WasiContext, file: FileEntry, vectors: readonly Uint8Array[], position: number): number {
  const wanted = lengthOf(vectors);
  if (wanted === 0) return 0;
  const sizeBytes = fstatSync(file.hostFd).size;
  const quota = quotaOf(file.point);
  const granted = quota.take(position + wanted - sizeBytes);
  const end = granted === 0 ? position + wanted : sizeBytes + granted;
  if (end <= position) {
    quota.give(granted);
    throw new WasiError("ENOSPC");
  }
  let written = 0;
  try {
    written = writevSync(file.hostFd, take(vectors, end - position), position);
  } finally {
    quota.give(granted - (written === 0 ? 0 : Math.max(0, position + written - sizeBytes)));
  }
  return written;
}

function take(vectors: readonly Uint8Array[], length: number): Uint8Array[] {
  const taken: Uint8Array[] = [];
  let left = length;
  for (const vector of vectors) {
    if (left === 0) break;
    taken.push(vector.subarray(0, left));
    left -= Math.min(left, vector.length);
  }
  return taken;
}

function lengthOf(vectors: readonly Uint8Array[]): number {
  return vectors.reduce((sum, vector) => sum + vector.length, 0);
}
