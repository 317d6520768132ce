import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { DomainError, LIMITS } from "@skrei/domain";

/** A file of an input that is divided. */
export interface TreeFile {
  /** Below the input's root; of a single file its name. */
  readonly path: string;
  /** What divisions look at; the path. */
  readonly key: string;
  /** Where it is. */
  readonly source: string;
  /** 0 for a link. */
  readonly sizeBytes: number;
  readonly isLink: boolean;
}

/**
 * The files of an input in the order of their paths; links count as empty ones and are not followed.
 * @throws DomainError invalid/SOURCE_NOT_DIVISIBLE for what is neither a file, a folder nor a link.
 */
export async function listTreeFiles(root: string, name: string): Promise<readonly TreeFile[]> {
  const found: TreeFile[] = [];
  const waiting: Waiting[] = [{ path: "", depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const source = join(root, next.path);
    const status = lstatSync(source, { throwIfNoEntry: false });
    if (status?.isDirectory() === true) for (const below of namesBelow(source, next)) waiting.push(below);
    else found.push(treeFile(next.path === "" ? name : next.path, source, status));
    if (found.length > LIMITS.resultFilesMax) throw notDivisible(`it has more than ${LIMITS.resultFilesMax} files`);
    // Synchronous calls are ten times as fast here, but others want a turn too.
    if (found.length % TURN_FILES === 0) await setImmediate();
  }
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

export function notDivisible(what: string, cause?: unknown): DomainError {
  return new DomainError("invalid", "SOURCE_NOT_DIVISIBLE", `The input cannot be divided among partitions: ${what}.`, {
    hint: "Correct the input's partition, or name an input of ordinary files.",
    cause,
  });
}

interface Waiting {
  readonly path: string;
  readonly depth: number;
}

function namesBelow(source: string, { path, depth }: Waiting): readonly Waiting[] {
  if (depth > LIMITS.resultDepthMax) throw notDivisible(`its folders are nested deeper than ${LIMITS.resultDepthMax}`);
  return readdirSync(source).map((name) => ({ path: path === "" ? name : `${path}/${name}`, depth: depth + 1 }));
}

function treeFile(path: string, source: string, status: Stats | undefined): TreeFile {
  if (status === undefined) throw notDivisible(`${quoted(path)} vanished, or its name is not UTF-8`);
  const isLink = status.isSymbolicLink();
  if (!isLink && !status.isFile()) throw notDivisible(`${quoted(path)} is neither a file nor a folder`);
  return { path, key: path, source, sizeBytes: isLink ? 0 : status.size, isLink };
}

function quoted(path: string): string {
  return JSON.stringify(path.slice(0, 256));
}

const TURN_FILES = 256;
