import { LIMITS } from "@skrei/domain";
import { type ContentId, RAW_CODE } from "@skrei/unixfs/cid.ts";
import { decodeNode, type FileNode, type FolderLink } from "@skrei/unixfs/node.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";
import { corrupt } from "./car-reader.ts";
import type { NodeLoader } from "./node-loader.ts";

/** One entry of a result; its path is empty for the root itself. */
export type TreeEntry = { readonly path: readonly string[]; readonly cid: ContentId } & (
  | { readonly kind: "folder" }
  | { readonly kind: "symlink"; readonly target: string }
  /** A file of one block is known by its id alone: no node. */
  | { readonly kind: "file"; readonly node: FileNode | undefined }
);

type Level = { readonly path: readonly string[]; readonly links: AsyncGenerator<FolderLink>; readonly names: Set<string> };

/**
 * What is below `root`, folders before what they hold. Loads folders and the top of each file, no leaf.
 * @throws DomainError corrupt/RESULT_CORRUPT for unsafe or doubled names, and for more than a result may have.
 */
export async function* walkTree(
  nodes: NodeLoader,
  root: ContentId,
  { enters = () => true }: { readonly enters?: (path: readonly string[]) => boolean } = {},
): AsyncGenerator<TreeEntry> {
  const levels: Level[] = [];
  let entries = 0;
  for (let next: { cid: ContentId; path: readonly string[] } | undefined = { cid: root, path: [] }; next !== undefined;) {
    await nodes.rest();
    entries += 1;
    checkBounds(entries, next.path);
    const entry = await readEntry(nodes, next.cid, next.path);
    yield entry;
    if (entry.kind === "folder" && enters(entry.path))
      levels.push({ path: entry.path, links: listFolder(nodes.load, entry.cid), names: new Set() });
    next = await nextOf(levels);
  }
}

async function nextOf(levels: Level[]): Promise<{ cid: ContentId; path: readonly string[] } | undefined> {
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const { value, done } = await level.links.next();
    if (done !== true) {
      const { name, cid } = value as FolderLink;
      const path = [...level.path, name];
      if (level.names.has(name)) throw corrupt(`The result has two entries named ${path.join("/")}`);
      level.names.add(name);
      return { cid, path };
    }
    levels.pop();
  }
  return undefined;
}

async function readEntry(nodes: NodeLoader, cid: ContentId, path: readonly string[]): Promise<TreeEntry> {
  if (cid.code === RAW_CODE) return { kind: "file", path, cid, node: undefined };
  const node = decodeNode(cid, await nodes.load(cid));
  if (node.kind === "file") return { kind: "file", path, cid, node };
  return node.kind === "symlink" ? { kind: "symlink", path, cid, target: node.target } : { kind: "folder", path, cid };
}

function checkBounds(entries: number, path: readonly string[]): void {
  // The folder of the result and the root itself come on top of what a node takes.
  if (entries > LIMITS.resultFilesMax * 2) throw corrupt(`The result has more than ${LIMITS.resultFilesMax * 2} entries`);
  if (path.length > LIMITS.resultDepthMax + 2) throw corrupt(`The result has folders nested deeper than ${LIMITS.resultDepthMax}`);
}
