import { hash } from "node:crypto";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, CHUNK_BYTES, type DagEntry } from "@skrei/unixfs/file-dag.ts";

/** Cuts a file's bytes into the leaves of its content id as they come. */
export class LeafHasher {
  readonly #leaves: DagEntry[] = [];
  #pieces: Uint8Array[] = [];
  #pendingBytes = 0;

  /** Takes the next bytes and gives those that are whole leaves now, to be written. They must not be changed afterwards. */
  add(piece: Uint8Array): Uint8Array[] {
    const whole: Uint8Array[] = [];
    let rest = piece;
    while (this.#pendingBytes + rest.length >= CHUNK_BYTES) {
      const cut = CHUNK_BYTES - this.#pendingBytes;
      whole.push(this.#leaf(rest.subarray(0, cut)));
      rest = rest.subarray(cut);
    }
    if (rest.length > 0) this.#pieces.push(rest);
    this.#pendingBytes += rest.length;
    return whole;
  }

  /** The last leaf's bytes, none if it is empty, and the file's entry. */
  end(): { readonly rest: Uint8Array; readonly entry: DagEntry } {
    const rest = this.#pendingBytes > 0 || this.#leaves.length === 0 ? this.#leaf(new Uint8Array()) : new Uint8Array();
    return { rest, entry: buildFileDag(this.#leaves, () => undefined) };
  }

  #leaf(last: Uint8Array): Uint8Array {
    const bytes = this.#pieces.length === 0 ? last : Buffer.concat([...this.#pieces, last]);
    const digest = hash("sha256", bytes, "buffer");
    this.#leaves.push({ cid: rawCid(digest), sizeBytes: bytes.length, dagBytes: bytes.length });
    this.#pieces = [];
    this.#pendingBytes = 0;
    return bytes;
  }
}
