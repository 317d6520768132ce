import { createHash, type Hash } from "node:crypto";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, CHUNK_BYTES, type DagEntry } from "@skrei/unixfs/file-dag.ts";

/** Cuts a file's bytes into the leaves of its content id as they come, and keeps none of them. */
export class LeafHasher {
  readonly #leaves: DagEntry[] = [];
  #hash: Hash | undefined;
  #leafBytes = 0;

  add(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + CHUNK_BYTES - this.#leafBytes);
      (this.#hash ??= createHash("sha256")).update(part);
      this.#leafBytes += part.length;
      at += part.length;
      if (this.#leafBytes === CHUNK_BYTES) this.#endLeaf();
    }
  }

  /** The file's entry; one without bytes has an empty leaf. */
  end(): DagEntry {
    if (this.#leafBytes > 0 || this.#leaves.length === 0) this.#endLeaf();
    return buildFileDag(this.#leaves, () => undefined);
  }

  #endLeaf(): void {
    const digest = (this.#hash ?? createHash("sha256")).digest();
    this.#leaves.push({ cid: rawCid(digest), sizeBytes: this.#leafBytes, dagBytes: this.#leafBytes });
    this.#hash = undefined;
    this.#leafBytes = 0;
  }
}
