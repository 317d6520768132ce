import { closeSync, constants, fstatSync, ftruncateSync, openSync, renameSync, writeSync } from "node:fs";
import type { Leaf } from "./file-leaves.ts";
import { readLeaf } from "./local-file.ts";

/**
 * A file in the making. It stays where it is when the download ends early, and is taken up there. Not synced: after a power cut the
 * next download compares what is there all the same.
 */
export class PartialFile implements Disposable {
  readonly #part: string;
  readonly #place: () => string;
  #fd: number | undefined;
  #foundBytes = 0;
  #pending = 0;
  #sizeBytes = 0;
  #isSealed = false;

  /** @param place makes way for the whole file and says where it goes. */
  constructor(part: string, place: () => string) {
    this.#part = part;
    this.#place = place;
  }

  /** True when an earlier download wrote these bytes. */
  holds(leaf: Leaf): boolean {
    const fd = this.#open();
    const end = leaf.offset + leaf.sizeBytes;
    if (end > this.#foundBytes || readLeaf(fd, leaf) === undefined) return false;
    this.#sizeBytes = Math.max(this.#sizeBytes, end);
    return true;
  }

  /** Something will be written later. */
  expect(): void {
    this.#pending += 1;
  }

  /** What was expected. */
  arrive(bytes: Uint8Array, offset: number): void {
    this.write(bytes, offset);
    this.#pending -= 1;
    if (this.#isSealed && this.#pending === 0) this.#finish();
  }

  write(bytes: Uint8Array, offset: number): void {
    const fd = this.#open();
    // A disk that is nearly full takes a part, and says so only when it is asked for the rest.
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + bytes.length);
  }

  /** Nothing more will be expected: the file gets its name as soon as all is there. */
  seal(): void {
    this.#isSealed = true;
    if (this.#pending === 0) this.#finish();
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    this.#fd = openSync(this.#part, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666);
    this.#foundBytes = fstatSync(this.#fd).size;
    return this.#fd;
  }

  #finish(): void {
    const fd = this.#open();
    if (this.#foundBytes > this.#sizeBytes) ftruncateSync(fd, this.#sizeBytes);
    this[Symbol.dispose]();
    renameSync(this.#part, this.#place());
  }
}
