/** A part of a result that the manifest names on its own, such as `stdout` or `outputs/model`. */
export interface ResultPart {
  readonly path: string;
  readonly cid: string;
  readonly sizeBytes: number;
}

export interface StagedResult {
  readonly executionId: string;
  /** Content id of the folder. */
  readonly cid: string;
  /** Bytes of all files. */
  readonly sizeBytes: number;
  /** What was left out: FIFOs, sockets, devices, unreadable files, names that are not UTF-8. At most 100. */
  readonly skippedPaths: readonly string[];
  readonly parts: readonly ResultPart[];
  /** Empty until the result has a manifest. */
  readonly manifestCid: string;
}
