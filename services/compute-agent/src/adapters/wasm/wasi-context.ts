import type { DiskQuota } from "./disk-quota.ts";
import type { FdTable } from "./fd-table.ts";
import type { GuestMemory } from "./guest-memory.ts";
import type { MountPoint, TreeNode } from "./mount-tree.ts";

/** What the system calls of one guest share. */
export interface WasiContext {
  readonly memory: GuestMemory;
  readonly fds: FdTable;
  /** What changes below a mount count to. */
  readonly quotaOf: (point: MountPoint) => DiskQuota;
  readonly root: TreeNode;
  /** argv, argv[0] included; UTF-8 without the closing NUL. */
  readonly args: readonly Uint8Array[];
  /** `NAME=value`. */
  readonly env: readonly Uint8Array[];
}

/** A system call; integers arrive as the guest passed them, i64 as bigint. Throws WasiError to answer an error number. */
// oxlint-disable-next-line typescript/no-explicit-any -- each call has its own list of numbers and bigints.
export type SystemCall = (...args: any[]) => void;

export type SystemCalls = Readonly<Record<string, SystemCall>>;
