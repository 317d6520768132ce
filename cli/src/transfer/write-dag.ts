import { type FileHandle, mkdir, open, symlink } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { decodeNode } from "@skrei/unixfs/node.ts";
import type { FileNode, UnixfsNode } from "@skrei/unixfs/node.ts";
import { isSafeName } from "@skrei/unixfs/read-folder.ts";
import type { CID } from "multiformats/cid";
import { corrupt } from "./car-reader.ts";
import type { CarBlock } from "./car-reader.ts";

/** Where a block belongs once it arrives. */
type Place =
  | { readonly kind: "entry"; readonly path: string }
  | { readonly kind: "shard"; readonly path: string }
  | { readonly kind: "piece"; readonly path: string; readonly offset: number; readonly sizeBytes: number };

export interface WrittenDag {
  readonly files: number;
  readonly sizeBytes: number;
  /** Symlinks that would have led out of the folder. */
  readonly refusedLinks: readonly string[];
}

const RAW_CODE = 0x55;

/**
 * Writes a UnixFS DAG below `path` from verified blocks that come parents first, one at a time. A block that occurs in several
 * places may come once: leaves are read back from where they were written, nodes are kept.
 * Links below `kept`, a folder that will be moved elsewhere by itself, must not lead out of that.
 * @throws DomainError corrupt/RESULT_CORRUPT when a block is missing, a name is unsafe or sizes do not add up.
 */
export async function writeDag(
  root: CID,
  path: string,
  blocks: AsyncIterable<CarBlock>,
  { kept }: { readonly kept?: string | undefined } = {},
): Promise<WrittenDag> {
  const writer = new DagWriter(path, kept);
  await writer.want(root, { kind: "entry", path });
  for await (const block of blocks) await writer.take(block);
  return writer.finish();
}

class DagWriter {
  readonly #root: string;
  readonly #kept: string | undefined;
  readonly #wanted = new Map<string, Place[]>();
  readonly #nodes = new Map<string, { cid: CID; bytes: Uint8Array }>();
  readonly #leaves = new Map<string, { path: string; offset: number; sizeBytes: number }>();
  readonly #paths = new Set<string>();
  readonly #links: { path: string; target: string }[] = [];
  #files = 0;
  #sizeBytes = 0;

  constructor(root: string, kept: string | undefined) {
    this.#root = root;
    this.#kept = kept;
  }

  async want(cid: CID, place: Place): Promise<void> {
    const key = cid.toString();
    const node = this.#nodes.get(key);
    if (node !== undefined) return this.#put(node.cid, node.bytes, place);
    const leaf = this.#leaves.get(key);
    if (leaf !== undefined) return this.#put(cid, await readBack(leaf), place);
    this.#wanted.set(key, [...(this.#wanted.get(key) ?? []), place]);
  }

  /** A block that nobody asked for is not written anywhere. */
  async take({ cid, bytes }: CarBlock): Promise<void> {
    const key = cid.toString();
    const places = this.#wanted.get(key);
    if (places === undefined) return;
    this.#wanted.delete(key);
    if (cid.code !== RAW_CODE) this.#nodes.set(key, { cid, bytes: Uint8Array.from(bytes) });
    for (const place of places) await this.#put(cid, bytes, place);
  }

  async finish(): Promise<WrittenDag> {
    const [missing] = this.#wanted.keys();
    if (missing !== undefined) throw corrupt(`The download lacks ${this.#wanted.size} blocks, such as ${missing}`);
    const refusedLinks: string[] = [];
    // Last, so that no file is ever written through a link.
    for (const { path, target } of this.#links) {
      if (this.#staysInside(path, target)) await symlink(target, path);
      else refusedLinks.push(relative(this.#root, path));
    }
    return { files: this.#files, sizeBytes: this.#sizeBytes, refusedLinks };
  }

  async #put(cid: CID, bytes: Uint8Array, place: Place): Promise<void> {
    const node = decodeNode(cid, bytes);
    switch (place.kind) {
      case "entry":
        return this.#putEntry(cid, node, place.path);
      case "shard":
        return this.#putLinks(cid, node, place.path);
      case "piece":
        if (node.kind !== "file" || node.sizeBytes !== place.sizeBytes)
          throw corrupt(`Block ${cid.toString()} is not the ${place.sizeBytes} bytes of a file that its parent says`);
        return this.#putBytes(cid, node, place);
    }
  }

  async #putEntry(cid: CID, node: UnixfsNode, path: string): Promise<void> {
    if (this.#paths.has(path)) throw corrupt(`The result has two entries named ${relative(this.#root, path)}`);
    this.#paths.add(path);
    switch (node.kind) {
      case "symlink":
        this.#links.push({ path, target: node.target });
        return;
      case "folder":
      case "shard":
        await mkdir(path, { recursive: true });
        return this.#putLinks(cid, node, path);
      case "file": {
        const file = await open(path, "wx");
        await file.truncate(node.sizeBytes);
        await file.close();
        this.#files++;
        this.#sizeBytes += node.sizeBytes;
        return this.#putBytes(cid, node, { path, offset: 0 });
      }
    }
  }

  async #putLinks(cid: CID, node: UnixfsNode, path: string): Promise<void> {
    if (node.kind !== "folder" && node.kind !== "shard")
      throw corrupt(`Block ${cid.toString()} is a ${node.kind} where a folder was expected`);
    const prefixLength = node.kind === "shard" ? node.prefixLength : 0;
    for (const link of node.links) {
      if (node.kind === "shard" && link.name.length === prefixLength) {
        await this.want(link.cid, { kind: "shard", path });
        continue;
      }
      const name = link.name.slice(prefixLength);
      if (!isSafeName(name)) throw corrupt(`The result has an entry named ${JSON.stringify(name.slice(0, 64))}`);
      await this.want(link.cid, { kind: "entry", path: join(path, name) });
    }
  }

  async #putBytes(cid: CID, node: FileNode, at: { path: string; offset: number }): Promise<void> {
    if (node.data.length > 0) {
      await using file = await open(at.path, "r+");
      await writeFully(file, node.data, at.offset);
    }
    if (cid.code === RAW_CODE) this.#leaves.set(cid.toString(), { path: at.path, offset: at.offset, sizeBytes: node.data.length });
    let offset = at.offset + node.data.length;
    for (const chunk of node.chunks) {
      await this.want(chunk.cid, { kind: "piece", path: at.path, offset, sizeBytes: chunk.sizeBytes });
      offset += chunk.sizeBytes;
    }
  }

  /** `..` counts only at the start, where real folders lie above: after a name, that name may be a link and `..` lead anywhere. */
  #staysInside(path: string, target: string): boolean {
    if (target === "" || target.startsWith("/") || target.includes("\0")) return false;
    const names = target.split("/");
    const down = names.findIndex((name) => name !== "" && name !== "." && name !== "..");
    if (down >= 0 && names.includes("..", down)) return false;
    const root = this.#kept !== undefined && path.startsWith(`${this.#kept}${sep}`) ? this.#kept : this.#root;
    const end = resolve(dirname(path), target);
    return end === root || end.startsWith(`${root}${sep}`);
  }
}

/** A disk that is nearly full takes a part, and says so only when it is asked for the rest. */
async function writeFully(file: FileHandle, data: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < data.length;) done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
}

async function readBack({ path, offset, sizeBytes }: { path: string; offset: number; sizeBytes: number }): Promise<Uint8Array> {
  await using file = await open(path);
  const bytes = new Uint8Array(sizeBytes);
  await file.read(bytes, 0, sizeBytes, offset);
  return bytes;
}
