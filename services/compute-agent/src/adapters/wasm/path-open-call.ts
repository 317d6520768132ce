import { constants, fstatSync, openSync, type BigIntStats } from "node:fs";
import type { DirectoryEntry, FdEntry } from "./fd-table.ts";
import { isDirectory, resolvePath, type HostPlace, type Place } from "./path-resolver.ts";
import { DIRECTORY_RIGHTS, FD_FLAG, FILE_RIGHTS, LOOKUP_FOLLOW, OPEN_FLAG, RIGHT, WRITE_RIGHTS } from "./wasi-constants.ts";
import type { SystemCalls, WasiContext } from "./wasi-context.ts";
import { WasiError } from "./wasi-errno.ts";

interface OpenRequest {
  readonly openFlags: number;
  readonly rights: bigint;
  readonly inheritedRights: bigint;
  readonly fdFlags: number;
}

/** path_open. */
export function pathOpenCall(context: WasiContext): SystemCalls {
  const { memory, fds, root } = context;
  return {
    path_open: (
      fd: number,
      lookupFlags: number,
      pathPointer: number,
      pathLength: number,
      openFlags: number,
      rights: bigint,
      inheritedRights: bigint,
      fdFlags: number,
      fdPointer: number,
    ) => {
      const parent = fds.directory(fd, RIGHT.pathOpen);
      if (fds.isFull) throw new WasiError("EMFILE");
      memory.setU32(fdPointer, 0);
      const isExclusive = (openFlags & OPEN_FLAG.create) !== 0 && (openFlags & OPEN_FLAG.exclusive) !== 0;
      const isLastFollowed = (lookupFlags & LOOKUP_FOLLOW) !== 0 && !isExclusive;
      const path = memory.text(pathPointer, pathLength);
      const place = resolvePath(root, { base: parent.components, path, isLastFollowed });
      const request = { openFlags, rights, inheritedRights, fdFlags };
      if (path.endsWith("/") && !isDirectory(place)) throw new WasiError("ENOENT");
      memory.setU32(
        fdPointer,
        fds.add(isDirectory(place) ? openDirectory(place, parent, request) : openFile(context, place, parent, request)),
      );
    },
  };
}

function openDirectory(place: Place, parent: DirectoryEntry, { openFlags, rights, inheritedRights, fdFlags }: OpenRequest): FdEntry {
  if ((openFlags & OPEN_FLAG.create) !== 0 && (openFlags & OPEN_FLAG.exclusive) !== 0) throw new WasiError("EEXIST");
  if ((openFlags & OPEN_FLAG.truncate) !== 0) throw new WasiError("EISDIR");
  if ((rights & RIGHT.fdWrite) !== 0n) throw new WasiError("EISDIR");
  return {
    kind: "directory",
    components: place.components,
    preopenName: undefined,
    listing: [],
    rights: rights & parent.inheritedRights & DIRECTORY_RIGHTS,
    inheritedRights: inheritedRights & parent.inheritedRights,
    flags: fdFlags,
  };
}

function openFile(context: WasiContext, place: Place, parent: DirectoryEntry, request: OpenRequest): FdEntry {
  const isTruncating = (request.openFlags & OPEN_FLAG.truncate) !== 0;
  if (isTruncating && (parent.rights & RIGHT.pathSetSize) === 0n) throw new WasiError("ENOTCAPABLE");
  if (place.kind === "synthetic") throw new WasiError((request.openFlags & OPEN_FLAG.create) === 0 ? "ENOENT" : "EROFS");
  const isWriting = (request.rights & parent.inheritedRights & WRITE_RIGHTS) !== 0n || isTruncating;
  if (place.stat === undefined) checkCreation(place, parent, request);
  else checkOpening(place.stat, request, { isChanging: isWriting && place.point.mount.isReadOnly });
  return {
    kind: "file",
    hostFd: openCounted(context, place, hostFlags(place, request, isWriting)),
    point: place.point,
    position: 0,
    rights: request.rights & parent.inheritedRights & FILE_RIGHTS,
    inheritedRights: request.inheritedRights & parent.inheritedRights & FILE_RIGHTS,
    flags: request.fdFlags,
  };
}

function openCounted({ quotaOf }: WasiContext, place: HostPlace, flags: number): number {
  const quota = quotaOf(place.point);
  if (place.stat === undefined) quota.takeEntry();
  const hostFd = openSync(place.hostPath, flags, 0o666);
  if (place.stat !== undefined && (flags & constants.O_TRUNC) !== 0) quota.give(Number(place.stat.size));
  if (!place.point.mount.isReadOnly) quota.opened(fstatSync(hostFd, { bigint: true }));
  return hostFd;
}

function checkCreation(place: HostPlace, parent: DirectoryEntry, { openFlags }: OpenRequest): void {
  if ((openFlags & OPEN_FLAG.create) === 0) throw new WasiError("ENOENT");
  if (place.point.mount.isReadOnly) throw new WasiError("EROFS");
  if ((openFlags & OPEN_FLAG.directory) !== 0) throw new WasiError("EINVAL");
  if ((parent.rights & RIGHT.createFile) === 0n) throw new WasiError("ENOTCAPABLE");
}

function checkOpening(stat: BigIntStats, { openFlags }: OpenRequest, { isChanging }: { isChanging: boolean }): void {
  if ((openFlags & OPEN_FLAG.create) !== 0 && (openFlags & OPEN_FLAG.exclusive) !== 0) throw new WasiError("EEXIST");
  if (stat.isSymbolicLink()) throw new WasiError("ELOOP");
  if ((openFlags & OPEN_FLAG.directory) !== 0) throw new WasiError("ENOTDIR");
  // A pipe or device could block or reach outside.
  if (!stat.isFile()) throw new WasiError("EACCES");
  if (isChanging) throw new WasiError("EROFS");
}

function hostFlags(place: HostPlace, { openFlags, fdFlags }: OpenRequest, isWriting: boolean): number {
  let flags = constants.O_NOFOLLOW | constants.O_NONBLOCK | (isWriting ? constants.O_RDWR : constants.O_RDONLY);
  if (place.stat === undefined) flags |= constants.O_CREAT | constants.O_EXCL;
  else if ((openFlags & OPEN_FLAG.truncate) !== 0) flags |= constants.O_TRUNC;
  if ((fdFlags & FD_FLAG.sync) !== 0) flags |= constants.O_SYNC;
  if ((fdFlags & FD_FLAG.dsync) !== 0) flags |= constants.O_DSYNC;
  return flags;
}
