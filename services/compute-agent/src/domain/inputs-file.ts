import type { PartitionPlace } from "@skrei/domain";

/** Where a task of which some input is divided finds what its partition got. */
export const INPUTS_FILE = "/skrei/inputs.json";

/** What a node got of an input for one partition. */
export interface DividedInput {
  readonly target: string;
  readonly alias: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** The storage-fetcher's list of what the partition got. */
  readonly filesPath: string;
}

/** What this partition got of a divided input. */
export interface InputShare {
  readonly target: string;
  readonly alias: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly files: readonly SharedFile[];
  /** Of all files, listed or not. */
  readonly count: number;
  /** Not all are listed. */
  readonly isCut: boolean;
}

export interface SharedFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** For a piece of a file: where it begins, and how long the whole is. */
  readonly offset?: number;
  readonly sourceBytes?: number;
}

/** The text of INPUTS_FILE, of about `bytesMax` at most: shares whose lists are too long for an even part of that are cut. */
export function inputsFileOf(partition: PartitionPlace, shares: readonly InputShare[], bytesMax: number): string {
  let left = bytesMax;
  const inputs = shares.map((share, index) => {
    const { files, bytes } = cutFiles(share.files, left / (shares.length - index));
    left -= bytes;
    return { ...share, files, isCut: share.isCut || files.length < share.files.length };
  });
  return `${JSON.stringify({ partition, inputs })}\n`;
}

function cutFiles(files: readonly SharedFile[], bytesMax: number): { readonly files: readonly SharedFile[]; readonly bytes: number } {
  let bytes = 0;
  for (const [index, { path }] of files.entries()) {
    // A character takes up to six bytes, as `\u0000` does; most take one.
    const next = bytes + FILE_BYTES + (PLAIN.test(path) ? path.length : 6 * path.length);
    if (next > bytesMax) return { files: files.slice(0, index), bytes };
    bytes = next;
  }
  return { files, bytes };
}

const PLAIN = /^[ !#-[\]-~]*$/u;
/** Upper bound of a file's entry without its path. */
const FILE_BYTES = 110;
