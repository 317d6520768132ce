import { createHash } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { FileNode } from "@skrei/unixfs/node.ts";
import type { BlockSource } from "./block-source.ts";
import { corrupt } from "./car-reader.ts";
import { asDiskError } from "./disk-error.ts";
import { leavesOf } from "./file-leaves.ts";
import { LeafQueue } from "./leaf-queue.ts";
import { type FileEntry, isSameFile, readLeaf, statOf } from "./local-file.ts";
import { NodeLoader } from "./node-loader.ts";
import { PartialFile } from "./partial-file.ts";
import { staysInside } from "./result-link.ts";
import { type TreeEntry, walkTree } from "./walk-tree.ts";

export interface WriteTreeOptions {
  /** For files that are not whole yet; on the same file system, and nothing of the result has its name. */
  readonly partsFolder: string;
  /** `replace` what differs; `trust` the files that are there, because they were compared already. */
  readonly existing: "replace" | "trust";
  readonly onBytes: (sizeBytes: number) => void;
}

export interface WrittenTree {
  readonly files: number;
  readonly sizeBytes: number;
  /** Files that were there already. */
  readonly keptFiles: number;
  /** Bytes that were there already, whole files or parts. */
  readonly keptBytes: number;
  /** Paths of symlinks that would have led out of the folder. */
  readonly refusedLinks: readonly string[];
}

/**
 * Writes what is below `root` to `base`. A file has its name only once it is whole, and what is whole is not fetched again.
 * @throws DomainError exists/FIELD_INVALID, corrupt/RESULT_CORRUPT, precondition/FIELD_INVALID for what the disk refuses.
 */
export async function writeTree(source: BlockSource, root: ContentId, base: string, options: WriteTreeOptions): Promise<WrittenTree> {
  const nodes = new NodeLoader(source, { readsAhead: true });
  const leaves = new LeafQueue(source);
  using writer = new TreeWriter({ nodes, leaves }, base, options);
  try {
    for await (const entry of walkTree(nodes, root)) await writer.put(entry);
    await leaves.drain();
  } catch (error) {
    throw asDiskError(error, base);
  } finally {
    await leaves.settle();
  }
  return writer.totals;
}

class TreeWriter implements Disposable {
  readonly totals = { files: 0, sizeBytes: 0, keptFiles: 0, keptBytes: 0, refusedLinks: [] as string[] };
  readonly #from: { readonly nodes: NodeLoader; readonly leaves: LeafQueue };
  readonly #base: string;
  readonly #options: WriteTreeOptions;
  readonly #unfinished = new Set<PartialFile>();

  constructor(from: { readonly nodes: NodeLoader; readonly leaves: LeafQueue }, base: string, options: WriteTreeOptions) {
    this.#from = from;
    this.#base = base;
    this.#options = options;
  }

  async put(entry: TreeEntry): Promise<void> {
    const path = join(this.#base, ...entry.path);
    if (path === this.#options.partsFolder)
      throw corrupt(`The result has an entry named ${entry.path.join("/")}, which is kept for downloads`);
    try {
      if (entry.kind === "folder") this.#putFolder(path);
      else if (entry.kind === "symlink") this.#putLink(path, entry.path, entry.target);
      else await this.#putFile(path, entry);
    } catch (error) {
      throw asDiskError(error, path);
    }
  }

  [Symbol.dispose](): void {
    for (const file of this.#unfinished) file[Symbol.dispose]();
  }

  /** A link in the place of a folder would lead what is below somewhere else. */
  #putFolder(path: string): void {
    const stats = statOf(path);
    if (stats?.isDirectory() === true) return;
    if (stats !== undefined) this.#makeWay(path);
    mkdirSync(path);
  }

  #putLink(path: string, names: readonly string[], target: string): void {
    if (!staysInside(names, target)) {
      this.totals.refusedLinks.push(names.join("/"));
      return;
    }
    const stats = statOf(path);
    if (stats?.isSymbolicLink() === true && readlinkSync(path) === target) return;
    if (stats !== undefined) this.#makeWay(path);
    symlinkSync(target, path);
  }

  async #putFile(path: string, entry: FileEntry): Promise<void> {
    this.totals.files += 1;
    const stats = statOf(path);
    const isFile = stats?.isFile() === true;
    if (isFile && (this.#options.existing === "trust" || (await isSameFile(this.#from.nodes, path, entry)))) {
      this.totals.keptFiles += 1;
      this.#countKept(stats.size);
      return;
    }
    const file = new PartialFile(this.#partOf(entry), () => {
      this.#unfinished.delete(file);
      // A file makes way in the moment of the rename, and not a moment earlier.
      if (statOf(path)?.isFile() === false) this.#makeWay(path);
      return path;
    });
    this.#unfinished.add(file);
    const { cid, node } = entry;
    if (node !== undefined) await this.#fillFile(file, { cid, node, replaced: isFile ? path : undefined });
    else await this.#from.leaves.add({ cid, file, offset: 0, sizeBytes: undefined, onWritten: this.#countFetched });
    file.seal();
  }

  /** Blocks come from an earlier download, from the file that will be replaced, or from afar. */
  async #fillFile(
    file: PartialFile,
    { cid, node, replaced }: { readonly cid: ContentId; readonly node: FileNode; readonly replaced: string | undefined },
  ): Promise<void> {
    const old = replaced === undefined ? undefined : openSync(replaced, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for await (const leaf of leavesOf(this.#from.nodes, cid, node)) {
        const isThere = file.holds(leaf);
        const bytes = isThere || old === undefined ? undefined : readLeaf(old, leaf);
        if (bytes !== undefined) file.write(bytes, leaf.offset);
        if (isThere || bytes !== undefined) this.#countKept(leaf.sizeBytes);
        else if ("data" in leaf) {
          file.write(leaf.data, leaf.offset);
          this.#countFetched(leaf.sizeBytes);
        } else await this.#from.leaves.add({ ...leaf, file, onWritten: this.#countFetched });
      }
    } finally {
      if (old !== undefined) closeSync(old);
    }
  }

  /** By what it is and where it goes: an earlier part of something else is never taken up. */
  #partOf({ cid, path }: FileEntry): string {
    const key = createHash("sha256")
      .update(cid.bytes)
      .update([this.#base, ...path].join("/"))
      .digest("hex");
    return join(this.#options.partsFolder, key.slice(0, 32));
  }

  #makeWay(path: string): void {
    if (this.#options.existing !== "replace") throw occupied(path);
    rmSync(path, { recursive: true, force: true });
  }

  #countKept(sizeBytes: number): void {
    this.totals.keptBytes += sizeBytes;
    this.#countFetched(sizeBytes);
  }

  readonly #countFetched = (sizeBytes: number): void => {
    this.totals.sizeBytes += sizeBytes;
    this.#options.onBytes(sizeBytes);
  };
}

/** Something else stands where an entry of the result belongs. */
export function occupied(path: string): DomainError {
  return new DomainError("exists", "FIELD_INVALID", `${path} exists already and is not what the result has there.`, {
    hint: "Choose another folder, or replace what differs with --overwrite.",
  });
}
