/** How the data of an input is divided among the partitions of its job. */
export type InputPartition = InputDivision & {
  /** Only files whose path matches are given out; empty for all. */
  readonly glob: string;
};

export type InputDivision =
  /** Whole files in the order of their paths, in turn. */
  | { readonly by: "files" }
  /** Whole files by a hash of their path. */
  | { readonly by: "object" }
  /** Whole files by what `pattern` (RE2) captures in their path. */
  | { readonly by: "regex"; readonly pattern: string }
  /** Whole files by the characters of their path from `startIndex` up to `endIndex`. */
  | { readonly by: "substring"; readonly startIndex: number; readonly endIndex: number }
  /** Whole files by the date at the head of their path; the layout is Go's. */
  | { readonly by: "date"; readonly dateFormat: string }
  /** Consecutive lines, about as many bytes for each; the first `headerLines` of a file go to all that have lines of it. */
  | { readonly by: "lines"; readonly headerLines: number }
  /** Consecutive bytes, cut at multiples of `recordBytes`. */
  | { readonly by: "bytes"; readonly recordBytes: number };

/** One of a job's partitions. */
export interface PartitionPlace {
  readonly index: number;
  readonly count: number;
}
