import type { HttpAsk, HttpBodyPiece } from "./http-protocol.ts";
import type { HostMount } from "./mount-tree.ts";

/** First line on a host's stdin: what it is to run. The second line is `go`; what follows answers the guest's HTTP requests. */
export interface HostRun {
  /** Guest path of the module; it lies in one of the mounts. */
  readonly entryModule: string;
  readonly entrypoint: string;
  /** argv[1..]. */
  readonly parameters: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly HostMount[];
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly entriesMax: number;
  readonly moduleBytesMax: number;
  /** The agent answers HTTP requests. */
  readonly hasDoor: boolean;
}

/** How a guest ended. `invalid`: it could not begin. `fault`: the host itself failed. */
export type GuestOutcome =
  | { readonly kind: "exit"; readonly exitCode: number }
  | { readonly kind: "trap" | "invalid" | "outOfMemory" | "fault"; readonly message: string };

/** Lines a host writes on its descriptor 3. */
export type HostMessage =
  | { readonly type: "ready"; readonly moduleDigest: string }
  | { readonly type: "refused"; readonly reason: "MODULE_NOT_FOUND" | "MODULE_INVALID"; readonly message: string }
  | { readonly type: "ended"; readonly outcome: GuestOutcome; readonly memoryBytes: number; readonly isDiskFull: boolean }
  | HttpAsk
  | HttpBodyPiece;

export const CONTROL_FD = 3;
export const WASM_PAGE_BYTES = 65_536;
export const WASI_MODULE = "wasi_snapshot_preview1";
