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

type State = "text" | "carriageReturn" | "escape" | "intermediate" | "csi" | "string" | "stringEscape";

const C1: Readonly<Record<number, State>> = { 0x90: "string", 0x98: "string", 0x9b: "csi", 0x9d: "string", 0x9e: "string", 0x9f: "string" };
const AFTER_ESCAPE: Readonly<Record<string, State>> = { "[": "csi", "]": "string", P: "string", X: "string", "^": "string", _: "string" };

export function createTextCleaner({ sgr }: CleanOptions): TextCleaner {
  let state: State = "text";
  let sequence = "";
  let lineLength = 0;
  let isColoured = false;
  let out = "";
  let heldSurrogate = "";

  function endLine(): void {
    if (lineLength > LINE_LENGTH_MAX) out += ` … (${lineLength} characters)`;
    if (isColoured) out += "\u001B[0m";
    isColoured = false;
    lineLength = 0;
  }
  function put(text: string): void {
    lineLength += text.length;
    if (lineLength <= LINE_LENGTH_MAX) out += text;
  }
  function begin(next: State): void {
    state = next;
    sequence = "";
  }
  function takeText(letter: string, code: number): void {
    if (letter === "\n") {
      endLine();
      out += "\n";
    } else if (letter === "\t") put(" ".repeat(TAB_WIDTH - (lineLength % TAB_WIDTH)));
    else if (letter === "\r") begin("carriageReturn");
    else if (code === 0x1b) begin("escape");
    else if (code < 0x20 || code === 0x7f) return;
    else if (code >= 0x80 && code < 0xa0) begin(C1[code] ?? "text");
    else put(visibleForm(letter, code));
  }
  function takeCsi(letter: string, code: number): void {
    if (code >= 0x20 && code < 0x40 && sequence.length < SEQUENCE_LENGTH_MAX) {
      sequence += letter;
      return;
    }
    const isFinal = code >= 0x40 && code < 0x7f;
    state = "text";
    if (!isFinal) return takeText(letter, code);
    const kept = letter === "m" && sgr === "colour" && lineLength <= LINE_LENGTH_MAX ? keptSgr(sequence) : undefined;
    if (kept === undefined) return;
    out += kept;
    isColoured = true;
  }
  function takeString(letter: string, code: number): void {
    sequence += ".";
    if (code === 0x1b) state = "stringEscape";
    else if (code === 0x07 || code === 0x9c) state = "text";
    else if (letter === "\n" || letter === "\r" || sequence.length > SEQUENCE_LENGTH_MAX) {
      state = "text";
      takeText(letter, code);
    }
  }
  function take(letter: string): void {
    const code = letter.codePointAt(0) ?? 0;
    switch (state) {
      case "text":
        return takeText(letter, code);
      case "carriageReturn":
        state = "text";
        if (letter !== "\n") takeText("\n", 0x0a);
        return takeText(letter, code);
      case "escape":
        if (code === 0x1b) return;
        if (code >= 0x20 && code < 0x30) return begin("intermediate");
        if (code < 0x20) {
          state = "text";
          return takeText(letter, code);
        }
        return begin(AFTER_ESCAPE[letter] ?? "text");
      case "intermediate":
        if (code >= 0x20 && code < 0x30) return;
        state = "text";
        return code < 0x20 || code >= 0x7f ? takeText(letter, code) : undefined;
      case "csi":
        return takeCsi(letter, code);
      case "string":
        return takeString(letter, code);
      case "stringEscape":
        if (letter === "\\") return begin("text");
        state = "escape";
        return take(letter);
    }
  }
  return {
    push(text) {
      out = "";
      const whole = heldSurrogate + text;
      const isCut = /[\uD800-\uDBFF]$/u.test(whole.slice(-1));
      heldSurrogate = isCut ? whole.slice(-1) : "";
      for (const letter of isCut ? whole.slice(0, -1) : whole) take(letter);
      return out;
    },
    end() {
      out = "";
      if (heldSurrogate !== "") take(heldSurrogate);
      heldSurrogate = "";
      if (state === "carriageReturn") takeText("\n", 0x0a);
      state = "text";
      endLine();
      return out;
    },
  };
}
