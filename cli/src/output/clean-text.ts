import { visibleForm } from "./invisible-characters.ts";
import { keptSgr } from "./sgr.ts";

export interface CleanOptions {
  /** `colour` keeps plain colours, bold, italic and underline (for logs); `none` keeps nothing. */
  readonly sgr: "none" | "colour";
}

/** Cleans a stream of text piece by piece; a sequence may be cut anywhere between pieces. */
export interface TextCleaner {
  push(text: string): string;
  /** What is still to be written, such as the end of a coloured or cut line. */
  end(): string;
}

const LINE_LENGTH_MAX = 4096;
/** An unterminated sequence swallows at most this many characters, and never a line end. */
const SEQUENCE_LENGTH_MAX = 4096;
const TAB_WIDTH = 8;

/** Makes text from the cluster safe for a terminal: nothing but printable characters, line ends and (if asked) plain colours. */
export function cleanText(text: string, options: CleanOptions = { sgr: "none" }): string {
  const cleaner = createTextCleaner(options);
  return cleaner.push(text) + cleaner.end();
}

/** As `cleanText`, on one line. For table cells and messages. */
export function cleanLine(text: string): string {
  return cleanText(text).replaceAll(/\n+/gu, " ").trimEnd();
}

export function createTextCleaner(options: CleanOptions): TextCleaner {
  return new Cleaner(options);
}

type State = "text" | "carriageReturn" | "escape" | "intermediate" | "csi" | "string" | "stringEscape";

/** The 8-bit forms of the introducers below (ECMA-48): DCS, SOS, CSI, OSC, PM, APC. */
const C1: Readonly<Record<number, State>> = { 0x90: "string", 0x98: "string", 0x9b: "csi", 0x9d: "string", 0x9e: "string", 0x9f: "string" };
const AFTER_ESCAPE: Readonly<Record<string, State>> = { "[": "csi", "]": "string", P: "string", X: "string", "^": "string", _: "string" };

class Cleaner implements TextCleaner {
  readonly #keepsColour: boolean;
  #state: State = "text";
  #sequence = "";
  #lineLength = 0;
  #isColoured = false;
  #out = "";
  #heldSurrogate = "";

  constructor({ sgr }: CleanOptions) {
    this.#keepsColour = sgr === "colour";
  }

  push(text: string): string {
    const whole = this.#heldSurrogate + text;
    const isCut = /[\uD800-\uDBFF]$/u.test(whole.slice(-1));
    this.#heldSurrogate = isCut ? whole.slice(-1) : "";
    for (const letter of isCut ? whole.slice(0, -1) : whole) this.#take(letter);
    return this.#flush();
  }

  end(): string {
    if (this.#heldSurrogate !== "") this.#take(this.#heldSurrogate);
    this.#heldSurrogate = "";
    if (this.#state === "carriageReturn") this.#newLine();
    this.#state = "text";
    this.#endLine();
    return this.#flush();
  }

  #flush(): string {
    const out = this.#out;
    this.#out = "";
    return out;
  }

  #take(letter: string): void {
    const code = letter.codePointAt(0) ?? 0;
    switch (this.#state) {
      case "text":
        return this.#takeText(letter, code);
      case "carriageReturn":
        this.#state = "text";
        if (letter !== "\n") this.#newLine();
        return this.#takeText(letter, code);
      case "escape":
        return this.#takeEscape(letter, code);
      case "intermediate":
        return this.#takeIntermediate(letter, code);
      case "csi":
        return this.#takeCsi(letter, code);
      case "string":
        return this.#takeString(letter, code);
      case "stringEscape":
        this.#state = letter === "\\" ? "text" : "escape";
        return letter === "\\" ? undefined : this.#takeEscape(letter, code);
    }
  }

  #takeText(letter: string, code: number): void {
    if (code >= 0xa0 || (code >= 0x20 && code < 0x7f)) this.#put(visibleForm(letter, code));
    else if (letter === "\n") this.#newLine();
    else if (letter === "\t") this.#put(" ".repeat(TAB_WIDTH - (this.#lineLength % TAB_WIDTH)));
    else if (letter === "\r") this.#begin("carriageReturn");
    else if (code === 0x1b) this.#begin("escape");
    else this.#begin(C1[code] ?? "text");
  }

  #takeEscape(letter: string, code: number): void {
    if (code === 0x1b) return;
    if (code >= 0x20 && code < 0x30) return this.#begin("intermediate");
    this.#begin(AFTER_ESCAPE[letter] ?? "text");
    if (code < 0x20) this.#takeText(letter, code);
  }

  #takeIntermediate(letter: string, code: number): void {
    if (code >= 0x20 && code < 0x30) return;
    this.#state = "text";
    if (code < 0x20 || code >= 0x7f) this.#takeText(letter, code);
  }

  #takeCsi(letter: string, code: number): void {
    if (code >= 0x20 && code < 0x40 && this.#sequence.length < SEQUENCE_LENGTH_MAX) {
      this.#sequence += letter;
      return;
    }
    this.#state = "text";
    if (code < 0x40 || code >= 0x7f) return this.#takeText(letter, code);
    if (letter === "m" && this.#keepsColour && this.#lineLength <= LINE_LENGTH_MAX) this.#colour(keptSgr(this.#sequence));
  }

  #takeString(letter: string, code: number): void {
    this.#sequence += ".";
    if (code === 0x1b) this.#state = "stringEscape";
    else if (code === 0x07 || code === 0x9c) this.#state = "text";
    else if (letter === "\n" || letter === "\r" || this.#sequence.length > SEQUENCE_LENGTH_MAX) {
      this.#state = "text";
      this.#takeText(letter, code);
    }
  }

  #begin(state: State): void {
    this.#state = state;
    this.#sequence = "";
  }

  #colour(sequence: string | undefined): void {
    if (sequence === undefined) return;
    this.#out += sequence;
    this.#isColoured = true;
  }

  #put(text: string): void {
    this.#lineLength += text.length;
    if (this.#lineLength <= LINE_LENGTH_MAX) this.#out += text;
  }

  #newLine(): void {
    this.#endLine();
    this.#out += "\n";
  }

  #endLine(): void {
    if (this.#lineLength > LINE_LENGTH_MAX) this.#out += ` … (${this.#lineLength} characters)`;
    if (this.#isColoured) this.#out += "\u001B[0m";
    this.#isColoured = false;
    this.#lineLength = 0;
  }
}
