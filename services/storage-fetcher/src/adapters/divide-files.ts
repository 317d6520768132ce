import { compileKeyPattern } from "@skrei/s3/key-pattern.ts";
import { partitionFilter, type Partitioning } from "@skrei/s3/partition-objects.ts";
import type { InputSlice } from "../ports.ts";
import { globToPattern } from "../domain/glob.ts";
import { filterInTurns } from "./filter-in-turns.ts";

/** A file as a division sees it. */
export interface DividableFile {
  /** Below the input's root, with `/` between its segments. */
  readonly path: string;
  /** What hashes, patterns and dates look at: an object's key, or the path. */
  readonly key: string;
}

export interface DivisionContext {
  /** What all keys begin with. */
  readonly prefix: string;
  readonly signal: AbortSignal;
}

/**
 * Those files of an input that one partition gets as a whole, in the order given; by `lines` and `bytes` it is all that the glob lets
 * through, for those are cut later. Depends on the files' names and the place alone.
 * @throws DomainError invalid/FIELD_INVALID, exhausted/SOURCE_TOO_LARGE for a pattern that takes too long.
 */
export async function divideFiles<T extends DividableFile>(
  files: readonly T[],
  { partition, place }: InputSlice,
  { prefix, signal }: DivisionContext,
): Promise<readonly T[]> {
  const matching = partition.glob === "" ? files : await filterInTurns(files, globFilter(partition.glob), signal);
  switch (partition.by) {
    case "lines":
    case "bytes":
      return matching;
    case "files": {
      const mine = new Set(matching.toSorted(byPath).filter((_, at) => at % place.count === place.index));
      return matching.filter((file) => mine.has(file));
    }
    case "object":
    case "regex":
    case "substring":
    case "date": {
      const { by: type, ...how } = partition;
      const partitioning = { type, ...how } as Partitioning;
      return await filterInTurns(matching, partitionFilter({ partitioning, prefix, ...place }), signal);
    }
  }
}

/** Linear in the path, whatever the glob. */
function globFilter(glob: string): (file: DividableFile) => boolean {
  const match = compileKeyPattern(globToPattern(glob));
  return ({ path }) => match(path) !== undefined;
}

function byPath(a: DividableFile, b: DividableFile): number {
  if (a.path === b.path) return 0;
  return a.path < b.path ? -1 : 1;
}
