import { lstatSync, readdirSync } from "node:fs";
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
  const waiting = [{ path: "", depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, depth } = next;
    const source = join(root, path);
    const status = lstatSync(source, { throwIfNoEntry: false });
    if (status === undefined) throw notDivisible(`${quoted(path)} vanished, or its name is not UTF-8`);
    if (status.isDirectory()) {
      if (depth > LIMITS.resultDepthMax) throw notDivisible(`its folders are nested deeper than ${LIMITS.resultDepthMax}`);
      for (const below of readdirSync(source)) waiting.push({ path: path === "" ? below : `${path}/${below}`, depth: depth + 1 });
    } else if (status.isFile() || status.isSymbolicLink()) {
      const isLink = status.isSymbolicLink();
      const named = path === "" ? name : path;
      found.push({ path: named, key: named, source, sizeBytes: isLink ? 0 : status.size, isLink });
    } else throw notDivisible(`${quoted(path)} is neither a file nor a folder`);
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

function quoted(path: string): string {
  return JSON.stringify(path.slice(0, 256));
}

const TURN_FILES = 256;
