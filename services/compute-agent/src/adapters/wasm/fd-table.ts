import { closeSync, fstatSync } from "node:fs";
import type { DiskQuota } from "./disk-quota.ts";
import type { MountPoint } from "./mount-tree.ts";
import { WasiError } from "./wasi-errno.ts";

interface Rights {
  rights: bigint;
  inheritedRights: bigint;
  flags: number;
}

interface StdioEntry extends Rights {
  readonly kind: "stdin" | "stdout" | "stderr";
}

export interface FileEntry extends Rights {
  readonly kind: "file";
  readonly hostFd: number;
  readonly point: MountPoint;
  /** Kept here, as Node cannot seek. */
  position: number;
}

/** A directory is kept as its path and walked again at each use; see resolvePath. */
export interface DirectoryEntry extends Rights {
  readonly kind: "directory";
  readonly components: readonly string[];
  /** Set for the preopen, to its name. */
  readonly preopenName: string | undefined;
  /** What readdir serves since its last start from cookie 0. */
  listing: readonly DirectoryListingEntry[];
}

export interface DirectoryListingEntry {
  readonly name: Uint8Array;
  readonly inode: bigint;
  readonly fileType: number;
}

export type FdEntry = StdioEntry | FileEntry | DirectoryEntry;

/** The guest's file descriptors. */
export class FdTable {
  readonly #entries = new Map<number, FdEntry>();
  readonly #quotaOf: (point: MountPoint) => DiskQuota;

  constructor(quotaOf: (point: MountPoint) => DiskQuota) {
    this.#quotaOf = quotaOf;
  }

  /** @throws WasiError EMFILE. */
  add(entry: FdEntry): number {
    for (let fd = 0; fd < FDS_MAX; fd++) {
      if (this.#entries.has(fd)) continue;
      this.#entries.set(fd, entry);
      return fd;
    }
    throw new WasiError("EMFILE");
  }

  get isFull(): boolean {
    return this.#entries.size >= FDS_MAX;
  }

  /** @throws WasiError EBADF, ENOTCAPABLE when the descriptor lacks a right. */
  get(fd: number, rights = 0n): FdEntry {
    const entry = this.#entries.get(fd);
    if (entry === undefined) throw new WasiError("EBADF");
    if ((entry.rights & rights) !== rights) throw new WasiError("ENOTCAPABLE");
    return entry;
  }

  /** @throws WasiError as `get`; EISDIR for a directory, ESPIPE for stdio. */
  file(fd: number, rights: bigint): FileEntry {
    const entry = this.get(fd);
    if (entry.kind === "directory") throw new WasiError("EISDIR");
    if (entry.kind !== "file") throw new WasiError("ESPIPE");
    this.get(fd, rights);
    return entry;
  }

  /** @throws WasiError as `get`; ENOTDIR. */
  directory(fd: number, rights: bigint): DirectoryEntry {
    const entry = this.get(fd);
    if (entry.kind !== "directory") throw new WasiError("ENOTDIR");
    this.get(fd, rights);
    return entry;
  }

  close(fd: number): void {
    const entry = this.get(fd);
    this.#entries.delete(fd);
    if (entry.kind !== "file") return;
    if (!entry.point.mount.isReadOnly) this.#quotaOf(entry.point).closed(fstatSync(entry.hostFd, { bigint: true }));
    closeSync(entry.hostFd);
  }

  /** Closes `to` and moves `from` there. @throws WasiError EBADF unless both are open. */
  renumber(from: number, to: number): void {
    const entry = this.get(from);
    this.get(to);
    if (from === to) return;
    this.close(to);
    this.#entries.set(to, entry);
    this.#entries.delete(from);
  }
}

const FDS_MAX = 1_024;
