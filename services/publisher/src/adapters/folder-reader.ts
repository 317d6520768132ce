import { isUtf8 } from "node:buffer";
import { hash } from "node:crypto";
import { closeSync, constants, type Dirent, fchmodSync, fstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { DomainError, LIMITS } from "@skrei/domain";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, buildSymlink, CHUNK_BYTES, type DagEntry, type EmitBlock } from "@skrei/unixfs/file-dag.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import type { NamedEntry } from "@skrei/unixfs/folder-shard.ts";
import { Pace } from "./pace.ts";

/** Receives what is found, while it is found. */
export interface FolderSink {
  /** A regular file; its leaves follow. */
  file(path: string): void;
  /** A leaf of the last file. `digest` is the caller's to keep. */
  leaf(digest: Uint8Array, at: number, sizeBytes: number): void;
  /** A node of a file, folder or symlink. */
  block(...node: Parameters<EmitBlock>): void;
  /** A finished file, symlink or folder; the folder itself has the path "". */
  entry(path: string, entry: DagEntry): void;
  /** FIFO, socket, device, unreadable, or a name that is not UTF-8. */
  skipped(path: string): void;
  /** A file or folder that belongs to another user, so that it could not be sealed. */
  unsealed(path: string): void;
}

/**
 * Reads a tree once, seals it (no write permission, no setuid) and gives its content id. Walks by descriptors and follows no link,
 * so a name swapped during the walk leads nowhere else. Lets the event loop turn every few milliseconds.
 * @throws DomainError exhausted/RESULT_TOO_LARGE.
 */
export class FolderReader {
  readonly #sink: FolderSink;
  readonly #bytesMax: number;
  readonly #pace: Pace;
  /** One buffer for all files; leaves are hashed in place. */
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  readonly #emit: EmitBlock = (cid, block) => this.#sink.block(cid, block);
  #bytes = 0;
  #files = 0;

  constructor(sink: FolderSink, bytesMax: number, signal: AbortSignal) {
    this.#sink = sink;
    this.#bytesMax = bytesMax;
    this.#pace = new Pace(signal);
  }

  async read(folder: string): Promise<DagEntry> {
    const entry = await this.#readFolder(folder, "", 0);
    if (entry === undefined)
      throw new DomainError("notFound", "RESULT_FOLDER_MISSING", `The result folder ${folder} cannot be read.`, {
        hint: "Run the execution again.",
      });
    return entry;
  }

  async #readFolder(handlePath: string | Buffer, path: string, depth: number): Promise<DagEntry | undefined> {
    if (depth > LIMITS.resultDepthMax) throw tooLarge(`is nested deeper than ${LIMITS.resultDepthMax} folders`);
    const fd = tryOpen(handlePath, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    if (fd === undefined) return this.#skip(path);
    try {
      const entries: NamedEntry[] = [];
      for (const dirent of readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true, encoding: "buffer" })) {
        const named = await this.#readEntry(fd, dirent, path, depth);
        if (named !== undefined) entries.push(named);
        if (this.#pace.isDue) await this.#pace.rest();
      }
      if (!seal(fd, 0o555)) this.#sink.unsealed(path);
      const folder = buildFolderDag(entries, this.#emit);
      this.#sink.entry(path, folder);
      return folder;
    } finally {
      closeSync(fd);
    }
  }

  async #readEntry(folderFd: number, dirent: Dirent<Buffer>, parent: string, depth: number): Promise<NamedEntry | undefined> {
    const name = dirent.name.toString();
    const path = parent === "" ? name : `${parent}/${name}`;
    const handlePath = Buffer.concat([Buffer.from(`/proc/self/fd/${folderFd}/`), dirent.name]);
    this.#files += 1;
    if (this.#files > LIMITS.resultFilesMax) throw tooLarge(`has more than ${LIMITS.resultFilesMax} files and folders`);
    if (!isUtf8(dirent.name)) return this.#skip(path);
    if (Buffer.byteLength(path) > LIMITS.resultPathBytesMax)
      throw tooLarge(`has a path of more than ${LIMITS.resultPathBytesMax} bytes: ${path.slice(0, 64)}…`);
    const entry = await this.#readKind(handlePath, { dirent, path, depth });
    return entry === undefined ? undefined : { name, ...entry };
  }

  async #readKind(
    handlePath: Buffer,
    { dirent, path, depth }: { readonly dirent: Dirent<Buffer>; readonly path: string; readonly depth: number },
  ): Promise<DagEntry | undefined> {
    if (dirent.isDirectory()) return await this.#readFolder(handlePath, path, depth + 1);
    if (dirent.isSymbolicLink()) return this.#readSymlink(handlePath, path);
    return dirent.isFile() ? await this.#readFile(handlePath, path) : this.#skip(path);
  }

  #readSymlink(handlePath: Buffer, path: string): DagEntry | undefined {
    const target = orUnreadable(() => readlinkSync(handlePath));
    if (target === undefined) return this.#skip(path);
    const entry = buildSymlink(target, this.#emit);
    this.#sink.entry(path, entry);
    return entry;
  }

  async #readFile(handlePath: Buffer, path: string): Promise<DagEntry | undefined> {
    const fd = openRegular(handlePath);
    if (fd === undefined) return this.#skip(path);
    try {
      this.#checkSize(fstatSync(fd).size);
      if (!seal(fd, 0o444)) this.#sink.unsealed(path);
      this.#sink.file(path);
      const entry = buildFileDag(await this.#readLeaves(fd), this.#emit);
      this.#bytes += entry.sizeBytes;
      this.#checkSize(0);
      this.#sink.entry(path, entry);
      return entry;
    } finally {
      closeSync(fd);
    }
  }

  async #readLeaves(fd: number): Promise<DagEntry[]> {
    const leaves: DagEntry[] = [];
    for (let at = 0; ;) {
      const sizeBytes = readChunk(fd, this.#chunk, at);
      if (sizeBytes === 0 && at > 0) return leaves;
      const digest = hash("sha256", this.#chunk.subarray(0, sizeBytes), "buffer");
      this.#sink.leaf(digest, at, sizeBytes);
      leaves.push({ cid: rawCid(digest), sizeBytes, dagBytes: sizeBytes });
      at += sizeBytes;
      if (sizeBytes < CHUNK_BYTES) return leaves;
      if (this.#pace.isDue) await this.#pace.rest();
    }
  }

  #checkSize(moreBytes: number): void {
    if (this.#bytes + moreBytes > this.#bytesMax)
      throw tooLarge(`has at least ${this.#bytes + moreBytes} bytes; ${this.#bytesMax} are allowed`);
  }

  #skip(path: string): undefined {
    this.#sink.skipped(path);
  }
}

/** The descriptor of a regular file, or undefined. O_NONBLOCK keeps a FIFO that took the file's place from stalling us. */
function openRegular(handlePath: Buffer): number | undefined {
  const fd = tryOpen(handlePath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if (fd === undefined || fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return undefined;
}

function tryOpen(handlePath: string | Buffer, flags: number): number | undefined {
  return orUnreadable(() => openSync(handlePath, flags));
}

function orUnreadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (UNREADABLE.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Swapped for a link or something else, not ours to read, a socket, or gone. */
const UNREADABLE = new Set(["ELOOP", "ENOTDIR", "EINVAL", "EACCES", "EPERM", "ENXIO", "ENOENT"]);

function readChunk(fd: number, chunk: Buffer, at: number): number {
  let filled = 0;
  while (filled < chunk.length) {
    const read = readSync(fd, chunk, filled, chunk.length - filled, at + filled);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

/** False for files of another user, which cannot be sealed by us; every read is checked against its hash anyway. */
function seal(fd: number, mode: number): boolean {
  try {
    fchmodSync(fd, mode);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
    return false;
  }
}

function tooLarge(what: string): DomainError {
  return new DomainError("exhausted", "RESULT_TOO_LARGE", `The result folder ${what}.`, {
    hint: "Write less, or ask for more disk in the job's resources.",
  });
}
