import { cut } from "./car-reader.ts";

const HEAD_BYTES_MAX = 64 * 1_024;

export interface HttpHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

type State = "head" | "fixed" | "untilClose" | "chunkSize" | "chunk" | "chunkEnd" | "trailer" | "done";

/** Reads one HTTP/1.1 answer (RFC 9112) from pieces of any size, without a copy of its body. */
export class HttpBody {
  readonly #onHead: (head: HttpHead) => void;
  readonly #onPiece: (piece: Uint8Array) => void;
  #state: State = "head";
  #line = "";
  #head = "";
  #left = 0;

  constructor(onHead: (head: HttpHead) => void, onPiece: (piece: Uint8Array) => void) {
    this.#onHead = onHead;
    this.#onPiece = onPiece;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  push(piece: Uint8Array): void {
    for (let at = 0; at < piece.length && !this.isDone;) at = this.#isBody() ? this.#readBody(piece, at) : this.#readLine(piece, at);
  }

  /** The connection ended. */
  end(): void {
    if (this.#state === "untilClose") this.#state = "done";
    if (!this.isDone) throw cut("The content store cut the download before its end");
  }

  #isBody(): boolean {
    return this.#state === "fixed" || this.#state === "untilClose" || this.#state === "chunk";
  }

  #readBody(piece: Uint8Array, at: number): number {
    const part = this.#state === "untilClose" ? piece.subarray(at) : piece.subarray(at, at + this.#left);
    this.#left -= part.length;
    if (this.#left === 0 && this.#state === "fixed") this.#state = "done";
    if (this.#left === 0 && this.#state === "chunk") this.#state = "chunkEnd";
    this.#onPiece(part);
    return at + part.length;
  }

  #readLine(piece: Uint8Array, at: number): number {
    const end = piece.indexOf(0x0a, at);
    const stop = end < 0 ? piece.length : end + 1;
    this.#line += Buffer.from(piece.buffer, piece.byteOffset + at, stop - at).toString("latin1");
    if (this.#line.length + this.#head.length > HEAD_BYTES_MAX) throw cut("The content store answers with a head without end");
    if (end >= 0) {
      const line = this.#line.trimEnd();
      this.#line = "";
      this.#takeLine(line);
    }
    return stop;
  }

  #takeLine(line: string): void {
    if (this.#state === "head") {
      if (line !== "") this.#head += `${line}\n`;
      else this.#finishHead();
    } else if (this.#state === "chunkSize") this.#beginChunk(line);
    else if (this.#state === "chunkEnd") this.#state = "chunkSize";
    else if (line === "") this.#state = "done";
  }

  #beginChunk(line: string): void {
    if (!/^[0-9a-f]{1,8}(?:\s*;.*)?$/iu.test(line)) throw cut("The content store's answer has a chunk without a length");
    this.#left = Number.parseInt(line, 16);
    this.#state = this.#left === 0 ? "trailer" : "chunk";
  }

  #finishHead(): void {
    const [first = "", ...lines] = this.#head.split("\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3})/u.exec(first)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw cut("The content store does not answer in HTTP");
    this.#head = "";
    if (status < 200) return;
    const headers = new Map(lines.map((line) => [line.split(":", 1).join("").toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
    this.#beginBody(headers);
    this.#onHead({ status, headers });
  }

  #beginBody(headers: ReadonlyMap<string, string>): void {
    const length = headers.get("content-length");
    if (/chunked/iu.test(headers.get("transfer-encoding") ?? "")) this.#state = "chunkSize";
    else if (length === undefined) this.#state = "untilClose";
    else {
      this.#left = Number(length);
      if (!Number.isSafeInteger(this.#left) || this.#left < 0) throw cut("The content store's answer has no valid length");
      this.#state = this.#left === 0 ? "done" : "fixed";
    }
  }
}
