import { realpath, stat } from "node:fs/promises";
import { isAbsolute, sep } from "node:path";
import { DomainError } from "@skrei/domain";
import type { LocalPaths } from "../ports.ts";

/** Paths below the roots that the operator lists. Links are resolved before the check, in the path and in the roots. */
export function createLocalPaths(roots: readonly string[]): LocalPaths {
  const resolve: LocalPaths["resolve"] = async ({ path }) => {
    const refused = new DomainError(
      "forbidden",
      "SOURCE_NOT_ALLOWED",
      `The path ${path.slice(0, 256)} is not below an allowed folder of this node.`,
      {
        hint: "The node's operator lists folders for jobs in allowedLocalPaths.",
      },
    );
    if (!isAbsolute(path) || roots.length === 0) throw refused;
    const real = await realpath(path).catch(() => undefined); // Told apart below, once it is known whether the caller may know.
    const realRoots = await Promise.all(roots.map(async (root) => await realpath(root).catch(() => root)));
    const isListed = (candidate: string): boolean =>
      [...roots, ...realRoots].some((root) => candidate === root || candidate.startsWith(root.endsWith(sep) ? root : root + sep));
    if (real === undefined && isListed(path) && !path.split(sep).includes("..")) {
      throw new DomainError("unavailable", "SOURCE_UNREACHABLE", `There is nothing at ${path} on this node.`, {
        hint: "Check the path, or constrain the job to the node that has it.",
      });
    }
    if (real === undefined || !realRoots.some((root) => real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)))
      throw refused;
    const { size, isFile } = await kindOf(real);
    return { path: real, sizeBytes: isFile ? size : 0, isWritable: false };
  };
  return { resolve, check: async (source) => void (await resolve(source)) };
}

async function kindOf(path: string): Promise<{ readonly size: number; readonly isFile: boolean }> {
  const status = await stat(path);
  if (status.isFile() || status.isDirectory()) return { size: status.size, isFile: status.isFile() };
  throw new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `The path ${path} is neither a file nor a folder.`, {
    hint: "Name a file or a folder.",
  });
}
