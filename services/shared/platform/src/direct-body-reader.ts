import type { Socket } from "node:net";

/** A body of known length that comes from a connection into a few buffers in turns: some are filled while others are used. */
export class DirectBody implements AsyncIterable<Buffer> {
  readonly #socket: Socket;
  readonly #free: Buffer[] = [];
  readonly #full: Buffer[] = [];
  #filling: Buffer;
  #filledBytes = 0;
  #leftBytes: number;
  #waiting: PromiseWithResolvers<void> | undefined;
  #end: { readonly error: Error | undefined } | undefined;
  /** Bytes came behind the end. */
  hasSurplus = false;

  constructor(socket: Socket, sizeBytes: number) {
    this.#socket = socket;
    this.#leftBytes = sizeBytes;
    this.#filling = this.#allocate();
    socket.on("error", (error) => this.#finish(error));
    socket.on("close", () => this.#finish(new Error("the connection was closed before the end of the body")));
  }

  /** Somebody wants the next piece, and it is not there. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Where the connection's next bytes go. It is asked for right after each read, also after the one that says to stop. */
  get room(): Buffer {
    return this.#filling.subarray(this.#filledBytes);
  }

  /** Bytes that were read elsewhere, no more than READ_BYTES. Says, as `take`, whether more is to be read. */
  add(bytes: Buffer): boolean {
    bytes.copy(this.room);
    return this.take(bytes.length);
  }

  /** So many bytes were put into `room`. */
  take(sizeBytes: number): boolean {
    const ours = Math.min(sizeBytes, this.#leftBytes);
    this.#filledBytes += ours;
    this.#leftBytes -= ours;
    if (sizeBytes > ours) this.hasSurplus = true;
    if (this.#leftBytes === 0) this.#finish(undefined);
    if (this.#end !== undefined) return false;
    if (this.#filledBytes < PIECE_BYTES) return true;
    // One that is ahead is enough: while it waits, the connection does too.
    const isWanted = this.isWaiting;
    this.#handOver();
    this.#filling = this.#free.pop() ?? this.#allocate();
    return isWanted;
  }

  /**
   * Once. Pieces of about 1 MiB, each valid until the next one is asked for. Rejects, after what had arrived, when the connection ends
   * before the body. Leaving it early leaves the connection open.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    for (;;) {
      const piece = this.#full.shift();
      if (piece !== undefined) {
        this.#socket.resume();
        yield piece;
        this.#free.push(Buffer.from(piece.buffer));
      } else if (this.#end === undefined) {
        this.#waiting = Promise.withResolvers();
        this.#socket.resume();
        await this.#waiting.promise;
      } else break;
    }
    if (this.#end.error !== undefined) throw this.#end.error;
  }

  #allocate(): Buffer {
    return Buffer.allocUnsafeSlow(Math.min(this.#leftBytes, PIECE_BYTES) + READ_BYTES);
  }

  #handOver(): void {
    if (this.#filledBytes > 0) this.#full.push(this.#filling.subarray(0, this.#filledBytes));
    this.#filledBytes = 0;
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  #finish(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#handOver();
    this.#filling = NONE;
  }
}

const PIECE_BYTES = 1_048_576;
/** Behind each piece, so that no read is a small one. */
const READ_BYTES = 65_536;
const NONE = Buffer.alloc(READ_BYTES);
