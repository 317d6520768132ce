import { linkSync, mkdirSync, readlinkSync, renameSync, rmdirSync, symlinkSync, unlinkSync } from "node:fs";
import { resolvePath, type HostPlace, type Place } from "./path-resolver.ts";
import { LOOKUP_FOLLOW, RIGHT } from "./wasi-constants.ts";
import type { SystemCalls, WasiContext } from "./wasi-context.ts";
import { WasiError } from "./wasi-errno.ts";

/** path_create_directory, path_remove_directory, path_unlink_file, path_rename, path_link, path_symlink, path_readlink. */
export function pathChangeCalls(context: WasiContext): SystemCalls {
  const { memory, quotaOf } = context;
  const at = (fd: number, right: bigint, pointer: number, length: number): Place =>
    resolveAt(context, { fd, right, path: memory.text(pointer, length), isLastFollowed: false });
  const newFileAt = (fd: number, right: bigint, pointer: number, length: number): HostPlace => {
    const place = newPlace(at(fd, right, pointer, length));
    if (memory.text(pointer, length).endsWith("/")) throw new WasiError("ENOENT");
    return place;
  };
  return {
    path_create_directory: (fd: number, pointer: number, length: number) => {
      const place = newPlace(at(fd, RIGHT.createDirectory, pointer, length));
      quotaOf(place.point).takeEntry();
      mkdirSync(place.hostPath);
    },
    path_remove_directory: (fd: number, pointer: number, length: number) => {
      const { hostPath, stat, point } = oldPlace(at(fd, RIGHT.removeDirectory, pointer, length));
      if (!stat.isDirectory()) throw new WasiError("ENOTDIR");
      rmdirSync(hostPath);
      quotaOf(point).giveEntry();
    },
    path_unlink_file: (fd: number, pointer: number, length: number) => {
      const { hostPath, stat, point } = oldPlace(at(fd, RIGHT.unlinkFile, pointer, length));
      if (stat.isDirectory()) throw new WasiError("EISDIR");
      unlinkSync(hostPath);
      quotaOf(point).unlinked(stat);
    },
    path_rename: (fd: number, pointer: number, length: number, newFd: number, newPointer: number, newLength: number) => {
      rename(context, at(fd, RIGHT.renameSource, pointer, length), at(newFd, RIGHT.renameTarget, newPointer, newLength));
    },
    path_link: (fd: number, flags: number, pointer: number, length: number, newFd: number, newPointer: number, newLength: number) => {
      const isLastFollowed = (flags & LOOKUP_FOLLOW) !== 0;
      const source = resolveAt(context, { fd, right: RIGHT.linkSource, path: memory.text(pointer, length), isLastFollowed });
      link(context, source, newFileAt(newFd, RIGHT.linkTarget, newPointer, newLength));
    },
    path_symlink: (targetPointer: number, targetLength: number, fd: number, pointer: number, length: number) => {
      const target = memory.text(targetPointer, targetLength);
      const place = newFileAt(fd, RIGHT.symlink, pointer, length);
      checkLinkTarget(target, place);
      quotaOf(place.point).takeEntry();
      symlinkSync(target, place.hostPath);
    },
    path_readlink: (fd: number, pointer: number, length: number, bufferPointer: number, bufferLength: number, usedPointer: number) => {
      const place = at(fd, RIGHT.readlink, pointer, length);
      if (place.kind === "synthetic") throw new WasiError(place.directory === undefined ? "ENOENT" : "EINVAL");
      const target = new TextEncoder().encode(readlinkSync(place.hostPath)).subarray(0, bufferLength >>> 0);
      memory.bytes(bufferPointer, target.length).set(target);
      memory.setU32(usedPointer, target.length);
    },
  };
}

export interface LookupAt {
  readonly fd: number;
  readonly right: bigint;
  readonly path: string;
  readonly isLastFollowed: boolean;
}

/** Resolves a path from an open directory that has the right. */
export function resolveAt({ fds, root }: WasiContext, { fd, right, path, isLastFollowed }: LookupAt): Place {
  return resolvePath(root, { base: fds.directory(fd, right).components, path, isLastFollowed });
}

/** An existing entry that may be removed or moved. @throws WasiError EROFS, ENOENT, EBUSY for a mount itself. */
function oldPlace(place: Place): HostPlace & { stat: NonNullable<HostPlace["stat"]> } {
  if (place.kind === "synthetic") throw new WasiError(place.directory === undefined ? "ENOENT" : "EROFS");
  if (place.stat === undefined) throw new WasiError("ENOENT");
  if (place.point.mount.isReadOnly) throw new WasiError("EROFS");
  if (place.components.length <= place.point.depth) throw new WasiError("EBUSY");
  return { ...place, stat: place.stat };
}

/** A free name in a writable folder. @throws WasiError EROFS, EEXIST. */
function newPlace(place: Place): HostPlace {
  if (place.kind === "synthetic") throw new WasiError(place.directory === undefined ? "EROFS" : "EEXIST");
  if (place.stat !== undefined) throw new WasiError("EEXIST");
  if (place.point.mount.isReadOnly) throw new WasiError("EROFS");
  return place;
}

function rename({ quotaOf }: WasiContext, source: Place, target: Place): void {
  const from = oldPlace(source);
  if (target.kind === "synthetic" || target.point.mount.isReadOnly) throw new WasiError("EROFS");
  if (target.point !== from.point) throw new WasiError("EXDEV");
  if (target.components.length <= target.point.depth) throw new WasiError("EBUSY");
  const isSameFile = target.stat?.ino === from.stat.ino && target.stat.dev === from.stat.dev;
  renameSync(from.hostPath, target.hostPath);
  if (target.stat !== undefined && !isSameFile) quotaOf(from.point).unlinked(target.stat);
}

function link({ quotaOf }: WasiContext, source: Place, to: HostPlace): void {
  if (source.kind === "synthetic") throw new WasiError(source.directory === undefined ? "ENOENT" : "EPERM");
  if (source.stat === undefined) throw new WasiError("ENOENT");
  if (source.point !== to.point) throw new WasiError("EXDEV");
  if (!source.stat.isFile() && !source.stat.isSymbolicLink()) throw new WasiError("EPERM");
  quotaOf(to.point).takeEntry();
  linkSync(source.hostPath, to.hostPath);
}

/** A link whose text leads out of its mount would be a trap for whoever reads the outputs. */
function checkLinkTarget(target: string, place: HostPlace): void {
  if (target === "") throw new WasiError("ENOENT");
  if (target.startsWith("/")) throw new WasiError("ENOTCAPABLE");
  let depth = place.components.length - 1 - place.point.depth;
  for (const name of target.split("/")) {
    if (name === "..") depth--;
    else if (name !== "." && name !== "") depth++;
    if (depth < 0) throw new WasiError("ENOTCAPABLE");
  }
}
