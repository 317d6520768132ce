import type { Reason } from "./reasons.ts";

/** An input as one execution got it. */
export interface InputUse {
  readonly target: string;
  /** `cid:…` or `sha256:…`; empty for a path of the node. */
  readonly digest: string;
  /** Bytes of all files that the task sees. */
  readonly sizeBytes: number;
  /** Bytes that had to be fetched. */
  readonly movedBytes: number;
}

/** Data on its way to or from an execution. */
export interface Transfer {
  readonly kind: "inputs" | "result";
  readonly bytesDone: number;
  /** 0 when unknown. */
  readonly bytesTotal: number;
  /** Why nothing moves. */
  readonly waiting?: { readonly reason: Reason; readonly message: string; readonly sinceMs: number };
}
