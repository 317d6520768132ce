import { fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, futimesSync } from "node:fs";
import type { FdEntry, FileEntry } from "./fd-table.ts";
import { toOffset } from "./fd-io-calls.ts";
import { newTimes, putBareFilestat, putFilestat } from "./filestat.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { isDirectory, resolvePath } from "./path-resolver.ts";
import { FD_FLAG, FILE_TYPE, RIGHT } from "./wasi-constants.ts";
import type { SystemCalls, WasiContext } from "./wasi-context.ts";
import { WasiError } from "./wasi-errno.ts";

/** fd_close, fd_renumber, fd_fdstat_*, fd_filestat_*, fd_sync, fd_datasync, fd_allocate, fd_advise. */
export function fdStateCalls(context: WasiContext): SystemCalls {
  const { memory, fds } = context;
  return {
    fd_close: (fd: number) => fds.close(fd),
    fd_renumber: (from: number, to: number) => fds.renumber(from, to),
    fd_fdstat_get: (fd: number, pointer: number) => putFdstat(memory, pointer, fds.get(fd)),
    fd_fdstat_set_flags: (fd: number, flags: number) => {
      if ((flags & ~(FD_FLAG.append | FD_FLAG.nonblock)) !== 0) throw new WasiError("EINVAL");
      const entry = fds.get(fd, RIGHT.fdstatSetFlags);
      entry.flags = (entry.flags & SYNC_FLAGS) | flags;
    },
    fd_fdstat_set_rights: (fd: number, rights: bigint, inheritedRights: bigint) => {
      const entry = fds.get(fd);
      const isWidening = (rights & ~entry.rights) !== 0n || (inheritedRights & ~entry.inheritedRights) !== 0n;
      if (isWidening) throw new WasiError("ENOTCAPABLE");
      entry.rights = rights;
      entry.inheritedRights = inheritedRights;
    },
    fd_filestat_get: (fd: number, pointer: number) => getFilestat(context, fds.get(fd, RIGHT.filestatGet), pointer),
    fd_filestat_set_size: (fd: number, size: bigint) => setSize(context, fds.file(fd, RIGHT.setSize), toOffset(size)),
    fd_filestat_set_times: (fd: number, atimeNs: bigint, mtimeNs: bigint, flags: number) => {
      const file = fds.file(fd, RIGHT.setTimes);
      if (file.point.mount.isReadOnly) throw new WasiError("EROFS");
      const { atime, mtime } = newTimes(fstatSync(file.hostFd, { bigint: true }), { atimeNs, mtimeNs, flags });
      futimesSync(file.hostFd, atime, mtime);
    },
    fd_allocate: (fd: number, offset: bigint, length: bigint) => {
      const file = fds.file(fd, RIGHT.fdAllocate);
      if (length === 0n) throw new WasiError("EINVAL");
      const end = toOffset(offset) + toOffset(length);
      if (end > fstatSync(file.hostFd).size) setSize(context, file, end);
    },
    fd_advise: (fd: number, offset: bigint, length: bigint, advice: number) => {
      fds.file(fd, RIGHT.fdAdvise);
      if (advice > ADVICE_LAST || offset < 0n || length < 0n) throw new WasiError("EINVAL");
    },
    fd_sync: (fd: number) => synchronise(fds.get(fd, RIGHT.fdSync), fsyncSync),
    fd_datasync: (fd: number) => synchronise(fds.get(fd, RIGHT.fdDatasync), fdatasyncSync),
  };
}

function putFdstat(memory: GuestMemory, pointer: number, entry: FdEntry): void {
  memory.bytes(pointer, 24).fill(0);
  memory.setU8(pointer, fileTypeOfEntry(entry));
  memory.setU16(pointer + 2, entry.flags);
  memory.setU64(pointer + 8, entry.rights);
  memory.setU64(pointer + 16, entry.inheritedRights);
}

function fileTypeOfEntry(entry: FdEntry): number {
  if (entry.kind === "directory") return FILE_TYPE.directory;
  return entry.kind === "file" ? FILE_TYPE.regularFile : FILE_TYPE.unknown;
}

function getFilestat({ memory, root }: WasiContext, entry: FdEntry, pointer: number): void {
  if (entry.kind === "file") {
    putFilestat(memory, pointer, fstatSync(entry.hostFd, { bigint: true }), entry.point.device);
  } else if (entry.kind === "directory") {
    const place = resolvePath(root, { base: entry.components, path: ".", isLastFollowed: true });
    if (!isDirectory(place)) throw new WasiError("ENOENT");
    if (place.kind === "host" && place.stat !== undefined) putFilestat(memory, pointer, place.stat, place.point.device);
    else putBareFilestat(memory, pointer, FILE_TYPE.directory);
  } else {
    putBareFilestat(memory, pointer, FILE_TYPE.unknown);
  }
}

function setSize({ quotaOf }: WasiContext, file: FileEntry, sizeBytes: number): void {
  const quota = quotaOf(file.point);
  const before = fstatSync(file.hostFd).size;
  if (sizeBytes > before) quota.takeAll(sizeBytes - before);
  try {
    ftruncateSync(file.hostFd, sizeBytes);
  } catch (error) {
    if (sizeBytes > before) quota.give(sizeBytes - before);
    throw error;
  }
  if (sizeBytes < before) quota.give(before - sizeBytes);
}

function synchronise(entry: FdEntry, sync: (hostFd: number) => void): void {
  if (entry.kind === "file") sync(entry.hostFd);
}

const ADVICE_LAST = 5;
/** The host's descriptor was opened with them and cannot lose them. */
const SYNC_FLAGS = FD_FLAG.dsync | FD_FLAG.rsync | FD_FLAG.sync;
