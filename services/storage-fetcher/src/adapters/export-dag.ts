import { writeFileSync } from "node:fs";
import { type FileHandle, mkdir, open, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DomainError, LIMITS } from "@skrei/domain";
import { syncFiles } from "@skrei/platform/sync-files.ts";
import { type ContentId, RAW_CODE } from "@skrei/unixfs/cid.ts";
import { decodeNode, type FileNode } from "@skrei/unixfs/node.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";
import type { FetchTarget } from "../ports.ts";
import type { BlockReader } from "./block-reader.ts";
import type { DagFile } from "./dag-files.ts";

/**
 * Writes a DAG as ordinary files and returns the bytes of all files. Nothing of the content is trusted: names are checked, every
 * file and folder must be new (so a link cannot be written through), bytes, entries, blocks and depth have ceilings. What is given to a
 * task is never a link itself, for it would be followed outside of the task.
 */
export async function exportDag(read: BlockReader, root: ContentId, target: FetchTarget): Promise<number> {
  const dagExport = new DagExport(read, target);
  await dagExport.write(root, target.path, 0);
  await dagExport.sync();
  return dagExport.bytesDone;
}

/** As `exportDag`, for some files of a tree, each at its path below `target.path`; their names were checked when they were listed. */
export async function exportDagFiles(read: BlockReader, files: readonly DagFile[], target: FetchTarget): Promise<number> {
  const dagExport = new DagExport(read, target);
  await mkdir(target.path);
  await dagExport.writeFiles(files);
  await dagExport.sync();
  return dagExport.bytesDone;
}

class DagExport {
  readonly #read: BlockReader;
  readonly #target: FetchTarget;
  readonly #files: string[] = [];
  #entries = 0;
  #blocks = 0;
  #bytesTotal = 0;
  bytesDone = 0;

  constructor(read: BlockReader, target: FetchTarget) {
    this.#read = read;
    this.#target = target;
  }

  async write(cid: ContentId, path: string, depth: number): Promise<void> {
    this.#count(depth);
    const block = await this.#load(cid);
    const node = decodeNode(cid, block);
    if (depth === 0) this.#bytesTotal = node.kind === "file" ? node.sizeBytes : 0;
    if (node.kind === "file") await this.#writeFile(path, async (file) => await this.#writeNode(file, node, 0));
    else if (node.kind === "symlink" && depth === 0) throw malformed("a link where a file or folder was expected");
    else if (node.kind === "symlink") await asNew(symlink(node.target, path));
    else await this.#writeFolder({ cid, block }, path, depth);
  }

  async writeFiles(files: readonly DagFile[]): Promise<void> {
    this.#bytesTotal = files.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);
    const folders = new Set(files.map(({ path }) => dirname(path)));
    for (const folder of folders) await asNew(mkdir(join(this.#target.path, folder), { recursive: true }));
    let leaves: Leaf[] = [];
    for (const { path, entry } of files) {
      const leaf = { cid: entry.cid, path: join(this.#target.path, path) };
      if (leaf.cid.code !== RAW_CODE) await this.write(leaf.cid, leaf.path, path.split("/").length);
      else if (leaves.push(leaf) === LEAVES_AT_ONCE) leaves = await this.#writeLeaves(leaves, 0);
    }
    await this.#writeLeaves(leaves, 0);
  }

  async sync(): Promise<void> {
    if (this.#files.length > 0) await syncFiles("/", this.#files);
  }

  async #writeFolder({ cid, block }: { readonly cid: ContentId; readonly block: Uint8Array }, path: string, depth: number): Promise<void> {
    await asNew(mkdir(path));
    const load = async (below: ContentId): Promise<Uint8Array> => (below === cid ? block : await this.#load(below));
    let leaves: Leaf[] = [];
    for await (const link of listFolder(load, cid)) {
      const leaf = { cid: link.cid, path: join(path, link.name) };
      if (leaf.cid.code !== RAW_CODE) await this.write(leaf.cid, leaf.path, depth + 1);
      else if (leaves.push(leaf) === LEAVES_AT_ONCE) leaves = await this.#writeLeaves(leaves, depth);
    }
    await this.#writeLeaves(leaves, depth);
  }

  /** Files of one block each, in one call for many. */
  async #writeLeaves(leaves: readonly Leaf[], depth: number): Promise<Leaf[]> {
    let at = 0;
    for await (const block of this.#counted(leaves.map(({ cid }) => cid))) {
      this.#count(depth + 1);
      const path = leaves[at++]?.path ?? "";
      this.#admit(block.length);
      // Synchronous: one small file takes less time than three trips through the thread pool.
      await asNew((async () => writeFileSync(path, block, { flag: "wx" }))());
      this.#files.push(path);
    }
    return [];
  }

  async #writeFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
    await using file = await asNew(open(path, "wx"));
    this.#files.push(path);
    await write(file);
  }

  async #writeNode(file: FileHandle, node: FileNode, depth: number): Promise<void> {
    if (depth > FILE_DEPTH_MAX) throw malformed(`a file nested deeper than ${FILE_DEPTH_MAX} levels`);
    if (node.data.length > 0) await this.#append(file, node.data);
    // Parts of no bytes could be nested without end.
    if (node.chunks.some(({ sizeBytes }) => !(sizeBytes > 0))) throw malformed("a file with a part of no bytes");
    let at = 0;
    for await (const block of this.#counted(node.chunks.map(({ cid }) => cid))) {
      const chunk = node.chunks[at++];
      if (chunk === undefined) break;
      const before = this.bytesDone;
      const child = decodeNode(chunk.cid, block);
      if (child.kind !== "file") throw malformed(`a ${child.kind} inside a file`);
      await this.#writeNode(file, child, depth + 1);
      if (this.bytesDone - before !== chunk.sizeBytes) throw malformed("a file whose parts do not have the sizes it says");
    }
  }

  async #append(file: FileHandle, bytes: Uint8Array): Promise<void> {
    this.#admit(bytes.length);
    await file.writeFile(bytes);
  }

  #admit(sizeBytes: number): void {
    const { bytesMax, onBytes, signal } = this.#target;
    signal.throwIfAborted();
    this.bytesDone += sizeBytes;
    if (this.bytesDone > bytesMax)
      throw new DomainError("exhausted", "SOURCE_TOO_LARGE", `The content has at least ${this.bytesDone} bytes; ${bytesMax} are allowed.`, {
        hint: "Ask for more disk in the job's resources.",
      });
    onBytes(this.bytesDone, this.#bytesTotal);
  }

  readonly #load = async (cid: ContentId): Promise<Uint8Array> => {
    for await (const block of this.#counted([cid])) return block;
    throw malformed("a block that did not come");
  };

  async *#counted(cids: readonly ContentId[]): AsyncGenerator<Uint8Array> {
    for await (const block of this.#read(cids)) {
      this.#blocks += 1;
      if (this.#blocks > BLOCKS_MAX) throw malformed(`more than ${BLOCKS_MAX} blocks`);
      yield block;
    }
  }

  #count(depth: number): void {
    this.#entries += 1;
    if (this.#entries > LIMITS.resultFilesMax) throw malformed(`more than ${LIMITS.resultFilesMax} files`);
    if (depth > LIMITS.resultDepthMax) throw malformed(`folders nested deeper than ${LIMITS.resultDepthMax}`);
  }
}

/** A file of one block. */
interface Leaf {
  readonly cid: ContentId;
  readonly path: string;
}

async function asNew<T>(making: Promise<T>): Promise<T> {
  try {
    return await making;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw malformed("two entries of one name");
    throw error;
  }
}

function malformed(what: string): DomainError {
  return new DomainError("corrupt", "SOURCE_DIGEST_MISMATCH", `The content has ${what}.`, {
    hint: "The content was built wrong or with ill intent; make it again.",
  });
}

const LEAVES_AT_ONCE = 500;
const FILE_DEPTH_MAX = 32;
/** A terabyte in the chunks of Kubo's default. */
const BLOCKS_MAX = 4 * LIMITS.resultFilesMax;
