import { realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { DomainError, type LocalSource } from "@skrei/domain";
import type { LocalPath, LocalPaths } from "../ports.ts";
import { walkBelow } from "./walk-below.ts";

/**
 * Paths below the roots that the operator lists, each of which may end in `:rw` or `:ro` (the default); of nested ones the innermost
 * counts. Links are resolved before the check, in the path and in the roots. What is there is then walked from the root by handles that
 * follow no link, and so is what is made: however links change meanwhile, nothing is reached or made outside. `closedFolders` are never
 * given out, nor what they lie in.
 */
export function createLocalPaths(entries: readonly string[], closedFolders: readonly string[] = []): LocalPaths {
  const listed = entries.map(parseRoot);
  const locate = async (source: LocalSource): Promise<Located> => {
    const located = await locateBelow(listed, source);
    const closed = await Promise.all(closedFolders.map(async (path) => (await deepestReal(resolve(path))).real));
    if (closed.some((folder) => isWithin(located.real, folder) || isWithin(folder, located.real))) throw ownData(source.path);
    return located;
  };
  return {
    resolve: async (source) => await take(await locate(source), source),
    check: async (source) => {
      const located = await locate(source);
      if (located.isThere) await take(located, source);
    },
  };
}

interface Root {
  readonly path: string;
  readonly isWritable: boolean;
}

interface Located {
  readonly root: Root;
  /** Without links, as it was a moment ago. */
  readonly real: string;
  readonly isThere: boolean;
}

function parseRoot(entry: string): Root {
  return { path: entry.replace(/:r[ow]$/u, ""), isWritable: entry.endsWith(":rw") };
}

async function locateBelow(listed: readonly Root[], source: LocalSource): Promise<Located> {
  const { path, isWritable = false, creates } = source;
  const root = isPlain(path) ? await rootOf(listed, path) : undefined;
  // Who may not read there is not told what is there.
  if (root === undefined) throw (await isNamedBelow(listed, path)) ? leadsOut(path) : refused(path);
  if (isWritable && !root.root.isWritable) throw notWritable(path);
  if (root.isThere || (isWritable && creates !== undefined)) return root;
  throw new DomainError("unavailable", "SOURCE_UNREACHABLE", `There is nothing at ${path} on this node.`, {
    hint: "Check the path, or constrain the job to the node that has it.",
  });
}

async function take({ root, real, isThere }: Located, { isWritable = false, creates }: LocalSource): Promise<LocalPath> {
  const status = await walkBelow(root.path, real, isThere ? undefined : creates);
  if (!status.isFile() && !status.isDirectory())
    throw new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `The path ${real} is neither a file nor a folder.`, {
      hint: "Name a file or a folder.",
    });
  return { path: real, sizeBytes: status.isFile() ? status.size : 0, isWritable };
}

function isPlain(path: string): boolean {
  return isAbsolute(path) && !path.includes("\0") && !path.split(sep).includes("..");
}

async function rootOf(listed: readonly Root[], path: string): Promise<Located | undefined> {
  // A root that is not there has nothing below it.
  const realOf = async (root: Root): Promise<Root> => ({ ...root, path: await realpath(root.path).catch(() => root.path) });
  const roots = await Promise.all(listed.map(realOf));
  const found = await deepestReal(path);
  const root = innermost(roots, found.real);
  return root === undefined ? undefined : { ...found, root };
}

/** By its name, whatever links on the way lead to. */
async function isNamedBelow(listed: readonly Root[], path: string): Promise<boolean> {
  if (!isPlain(path)) return false;
  const reals = await Promise.all(listed.map(async (root) => await realpath(root.path).catch(() => root.path)));
  return [...reals, ...listed.map((root) => resolve(root.path))].some((root) => isWithin(resolve(path), root));
}

function innermost(roots: readonly Root[], real: string): Root | undefined {
  const above = roots.filter(({ path }) => isWithin(real, path));
  return above.toSorted((a, b) => b.path.length - a.path.length)[0];
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The path with the links of what is there resolved. */
async function deepestReal(path: string): Promise<{ readonly real: string; readonly isThere: boolean }> {
  let [above, below] = [path, ""];
  for (;;) {
    const real = await realpath(above).catch(() => undefined); // Then its parent is looked at.
    if (real !== undefined) return { real: below === "" ? real : join(real, below), isThere: below === "" };
    if (above === dirname(above)) return { real: path, isThere: false };
    [above, below] = [dirname(above), join(relative(dirname(above), above), below)];
  }
}

function notWritable(path: string): DomainError {
  return new DomainError(
    "forbidden",
    "SOURCE_NOT_ALLOWED",
    `The path ${path.slice(0, 256)} may be read on this node, but not written to.`,
    {
      hint: "The node's operator allows writing by `:rw` at the end of a folder in allowedLocalPaths.",
    },
  );
}

/** Tasks would see, and could change, what others read and made. */
function ownData(path: string): DomainError {
  return new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `The path ${path.slice(0, 256)} is, or holds, the node's own data.`, {
    hint: "Name a folder beside it; the node's operator can list a narrower one in allowedLocalPaths.",
  });
}

function leadsOut(path: string): DomainError {
  const message = `The path ${path.slice(0, 256)} leads out of the allowed folders of this node by a link.`;
  return new DomainError("forbidden", "SOURCE_NOT_ALLOWED", message, {
    hint: "The node's operator can list the folder that it leads to in allowedLocalPaths.",
  });
}

function refused(path: string): DomainError {
  return new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `The path ${path.slice(0, 256)} is not below an allowed folder of this node.`, {
    hint: "The node's operator lists folders for jobs in allowedLocalPaths.",
  });
}
