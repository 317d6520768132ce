import { DomainError, LIMITS } from "@skrei/domain";
import { type ContentId, RAW_CODE } from "@skrei/unixfs/cid.ts";
import type { DagEntry } from "@skrei/unixfs/file-dag.ts";
import { decodeNode, dagBytesOf, type FolderLink } from "@skrei/unixfs/node.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";
import type { DividableFile } from "./divide-files.ts";

/** A file or link of a tree by content id. */
export interface DagFile extends DividableFile {
  readonly entry: DagEntry;
}

/**
 * The files and links below a folder in the order of their paths, without their data; undefined when the root is no folder. Nothing of
 * the content is trusted. @throws DomainError corrupt.
 */
export async function listDagFiles(load: LoadBlock, root: ContentId): Promise<readonly DagFile[] | undefined> {
  const { kind } = decodeNode(root, await load(root));
  if (kind === "file" || kind === "symlink") return undefined;
  const found: DagFile[] = [];
  const waiting = [{ cid: root, path: "", depth: 0 }];
  let folders = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    folders += 1;
    checkBounds(folders + found.length, next.depth);
    for await (const link of listFolder(load, next.cid)) {
      const path = next.path === "" ? link.name : `${next.path}/${link.name}`;
      const entry = await fileEntry(load, link);
      if (entry === undefined) waiting.push({ cid: link.cid, path, depth: next.depth + 1 });
      else found.push({ path, key: path, entry });
      checkBounds(folders + found.length + waiting.length, next.depth);
    }
  }
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Undefined for a folder. */
async function fileEntry(load: LoadBlock, { cid, dagBytes }: FolderLink): Promise<DagEntry | undefined> {
  // A raw block is its bytes, and what its folder says of it is checked when it is written.
  if (cid.code === RAW_CODE) return { cid, sizeBytes: dagBytes, dagBytes };
  const block = await load(cid);
  const node = decodeNode(cid, block);
  if (node.kind === "folder" || node.kind === "shard") return undefined;
  return { cid, sizeBytes: node.kind === "file" ? node.sizeBytes : 0, dagBytes: dagBytesOf(cid, block) };
}

function checkBounds(entries: number, depth: number): void {
  const isWithin = entries <= LIMITS.resultFilesMax && depth <= LIMITS.resultDepthMax;
  if (isWithin) return;
  const what = `more than ${LIMITS.resultFilesMax} files, or folders nested deeper than ${LIMITS.resultDepthMax}`;
  throw new DomainError("corrupt", "SOURCE_DIGEST_MISMATCH", `The content has ${what}.`, {
    hint: "The content was built wrong or with ill intent; make it again.",
  });
}
