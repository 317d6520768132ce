import { realpathSync } from "node:fs";
import { directoryCalls } from "./directory-calls.ts";
import { DiskQuota } from "./disk-quota.ts";
import { fdIoCalls } from "./fd-io-calls.ts";
import { fdStateCalls } from "./fd-state-calls.ts";
import { FdTable } from "./fd-table.ts";
import { GuestMemory } from "./guest-memory.ts";
import { buildMountTree, type HostMount, type MountPoint } from "./mount-tree.ts";
import { pathChangeCalls } from "./path-change-calls.ts";
import { pathOpenCall } from "./path-open-call.ts";
import { pathStatCalls } from "./path-stat-calls.ts";
import { pollCalls } from "./poll-calls.ts";
import { processCalls } from "./process-calls.ts";
import { DIRECTORY_RIGHTS, INHERITED_RIGHTS, STDIN_RIGHTS, STDOUT_RIGHTS } from "./wasi-constants.ts";
import type { SystemCall, SystemCalls, WasiContext } from "./wasi-context.ts";
import { ERRNO, errnoOf } from "./wasi-errno.ts";

export interface WasiHostOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly HostMount[];
  readonly diskBytes: number;
  readonly entriesMax: number;
}

export interface WasiHost {
  /** The functions of `wasi_snapshot_preview1`. */
  readonly imports: Readonly<Record<string, (...args: unknown[]) => number>>;
  readonly memory: GuestMemory;
  readonly quota: DiskQuota;
}

/** WASI snapshot_preview1 for one guest that is not trusted: it sees the mounts, and nothing else of this machine. */
export function createWasiHost(options: WasiHostOptions): WasiHost {
  const mounts = options.mounts.map((mount) => ({ ...mount, hostPath: realpathSync(mount.hostPath) }));
  const quota = new DiskQuota({ bytesMax: options.diskBytes, entriesMax: options.entriesMax });
  for (const { hostPath, isReadOnly, isHostData } of mounts) if (!isReadOnly && isHostData !== true) quota.countFolder(hostPath);
  const unbounded = new DiskQuota({ bytesMax: Number.POSITIVE_INFINITY, entriesMax: Number.POSITIVE_INFINITY });
  const quotaOf = ({ mount }: MountPoint): DiskQuota => (mount.isHostData === true ? unbounded : quota);
  const context: WasiContext = {
    memory: new GuestMemory(),
    fds: openStdioAndRoot(new FdTable(quotaOf)),
    quotaOf,
    root: buildMountTree(mounts),
    args: options.args.map(encode),
    env: Object.entries(options.env).map(([name, value]) => encode(`${name}=${value}`)),
  };
  return { imports: answering(allCalls(context)), memory: context.memory, quota };
}

function openStdioAndRoot(fds: FdTable): FdTable {
  fds.add({ kind: "stdin", rights: STDIN_RIGHTS, inheritedRights: 0n, flags: 0 });
  fds.add({ kind: "stdout", rights: STDOUT_RIGHTS, inheritedRights: 0n, flags: 0 });
  fds.add({ kind: "stderr", rights: STDOUT_RIGHTS, inheritedRights: 0n, flags: 0 });
  fds.add({
    kind: "directory",
    components: [],
    preopenName: "/",
    listing: [],
    rights: DIRECTORY_RIGHTS,
    inheritedRights: INHERITED_RIGHTS,
    flags: 0,
  });
  return fds;
}

function allCalls(context: WasiContext): SystemCalls {
  return {
    ...processCalls(context),
    ...fdIoCalls(context),
    ...fdStateCalls(context),
    ...directoryCalls(context),
    ...pathOpenCall(context),
    ...pathChangeCalls(context),
    ...pathStatCalls(context),
    ...pollCalls(context),
  };
}

/** Turns thrown error numbers into answers. What is no answer (exit, a bug, an exhausted stack) goes through. */
function answering(calls: SystemCalls): WasiHost["imports"] {
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, answer(call)]));
}

function answer(call: SystemCall): (...args: unknown[]) => number {
  return (...args) => {
    try {
      call(...args);
      return ERRNO.SUCCESS;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      return errno;
    }
  };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
