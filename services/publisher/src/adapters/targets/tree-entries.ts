import { type ContentId, parseCid } from "@skrei/unixfs/cid.ts";
import { decodeNode, type FolderLink } from "@skrei/unixfs/node.ts";
import { type LoadBlock, readFile } from "@skrei/unixfs/read-dag.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";

export type TreeEntry =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "symlink"; readonly path: string; readonly linkTarget: string }
  | FileEntry;

export interface FileEntry {
  readonly kind: "file";
  readonly path: string;
  readonly sizeBytes: number;
  /** The bytes, each block checked; from the first one, each time. */
  open(): AsyncGenerator<Uint8Array>;
}

/**
 * What is below a result's root: parents first, names in the order of their bytes. Read by content id, not by path, so whatever happens
 * to the files on the disk, a target gets the result's own bytes or an error.
 */
export async function* treeEntries(load: LoadBlock, root: string): AsyncGenerator<TreeEntry> {
  const ahead = await below(load, { path: "", cid: parseCid(root) });
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    const { path, cid } = next;
    const block = await load(cid);
    const node = decodeNode(cid, block);
    if (node.kind === "symlink") yield { kind: "symlink", path, linkTarget: node.target };
    else if (node.kind === "file") yield fileEntry({ load, path, cid, block }, node.sizeBytes);
    else {
      yield { kind: "folder", path };
      for (const child of await below(load, next)) ahead.push(child);
    }
  }
}

interface Place {
  readonly path: string;
  readonly cid: ContentId;
}

/** The last name first, as it is taken from the end. */
async function below(load: LoadBlock, { path, cid }: Place): Promise<Place[]> {
  const links: FolderLink[] = [];
  for await (const link of listFolder(load, cid)) links.push(link);
  return links
    .sort((one, other) => Buffer.compare(Buffer.from(other.name), Buffer.from(one.name)))
    .map(({ name, cid: child }) => ({ path: path === "" ? name : `${path}/${name}`, cid: child }));
}

function fileEntry(
  { load, path, cid, block }: Place & { readonly load: LoadBlock; readonly block: Uint8Array },
  sizeBytes: number,
): FileEntry {
  // The block at hand is not read a second time; it is all there is of a small file.
  const loadOthers: LoadBlock = async (wanted) => (wanted === cid ? block : await load(wanted));
  return { kind: "file", path, sizeBytes, open: () => readFile(loadOthers, cid, { start: 0, end: sizeBytes }) };
}
