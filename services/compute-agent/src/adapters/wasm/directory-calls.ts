import { lstatSync, readdirSync, type BigIntStats } from "node:fs";
import type { DirectoryEntry, DirectoryListingEntry } from "./fd-table.ts";
import { fileTypeOf } from "./filestat.ts";
import type { SyntheticDirectory, TreeNode } from "./mount-tree.ts";
import { isDirectory, resolvePath } from "./path-resolver.ts";
import { FILE_TYPE, RIGHT } from "./wasi-constants.ts";
import type { SystemCalls, WasiContext } from "./wasi-context.ts";
import { WasiError } from "./wasi-errno.ts";

/** fd_prestat_get, fd_prestat_dir_name, fd_readdir. */
export function directoryCalls(context: WasiContext): SystemCalls {
  const { memory, fds } = context;
  const preopenName = (fd: number): Uint8Array => {
    const entry = fds.get(fd);
    if (entry.kind !== "directory" || entry.preopenName === undefined) throw new WasiError("EBADF");
    return UTF8.encode(entry.preopenName);
  };
  return {
    fd_prestat_get: (fd: number, pointer: number) => {
      const { length } = preopenName(fd);
      memory.setU32(pointer, 0);
      memory.setU32(pointer + 4, length);
    },
    fd_prestat_dir_name: (fd: number, pointer: number, length: number) => {
      const name = preopenName(fd);
      if (length < name.length) throw new WasiError("ENAMETOOLONG");
      memory.bytes(pointer, name.length).set(name);
    },
    fd_readdir: (fd: number, pointer: number, length: number, cookie: bigint, usedPointer: number) => {
      const entry = fds.directory(fd, RIGHT.readdir);
      if (cookie === 0n) entry.listing = list(context, entry);
      const target = memory.bytes(pointer, length);
      let used = 0;
      for (let i = Number(cookie); i < entry.listing.length && used < target.length; i++) {
        const record = encode(entry.listing[i], i + 1);
        target.set(record.subarray(0, target.length - used), used);
        used += Math.min(record.length, target.length - used);
      }
      memory.setU32(usedPointer, used);
    },
  };
}

/** Sorted by name, so that equal folders read alike on every node. */
function list({ root }: WasiContext, entry: DirectoryEntry): readonly DirectoryListingEntry[] {
  const place = resolvePath(root, { base: entry.components, path: ".", isLastFollowed: true });
  if (!isDirectory(place)) throw new WasiError("ENOENT");
  const dots = [".", ".."].map((name) => listed(name, FILE_TYPE.directory, place.kind === "host" ? place.stat : undefined));
  const children = place.kind === "host" ? hostChildren(place.hostPath) : syntheticChildren(root, entry, place.directory?.children);
  return [...dots, ...children];
}

function hostChildren(hostPath: string): readonly DirectoryListingEntry[] {
  return readdirSync(hostPath)
    .toSorted()
    .flatMap((name) => {
      const stat = lstatSync(`${hostPath}/${name}`, { bigint: true, throwIfNoEntry: false });
      return stat === undefined ? [] : [listed(name, fileTypeOf(stat), stat)];
    });
}

function syntheticChildren(
  root: TreeNode,
  entry: DirectoryEntry,
  children: SyntheticDirectory["children"] = new Map(),
): readonly DirectoryListingEntry[] {
  return [...children.keys()].toSorted().map((name) => {
    const child = resolvePath(root, { base: entry.components, path: name, isLastFollowed: false });
    return listed(name, isDirectory(child) ? FILE_TYPE.directory : FILE_TYPE.regularFile, child.kind === "host" ? child.stat : undefined);
  });
}

function listed(name: string, fileType: number, stat: BigIntStats | undefined): DirectoryListingEntry {
  return { name: UTF8.encode(name), fileType, inode: stat?.ino ?? 0n };
}

function encode(entry: DirectoryListingEntry | undefined, next: number): Uint8Array {
  if (entry === undefined) return new Uint8Array(0);
  const record = new Uint8Array(24 + entry.name.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(next), true);
  view.setBigUint64(8, entry.inode, true);
  view.setUint32(16, entry.name.length, true);
  view.setUint8(20, entry.fileType);
  record.set(entry.name, 24);
  return record;
}

const UTF8 = new TextEncoder();
