/** How much of the next piece is kept, under a limit on all output of an execution; what comes after is dropped. */
export function admitOutput(
  pieceBytes: number,
  { keptBytes, bytesMax }: { readonly keptBytes: number; readonly bytesMax: number },
): OutputAdmission {
  const keep = Math.max(0, Math.min(pieceBytes, bytesMax - keptBytes));
  return { keep, isTruncated: keep < pieceBytes };
}

export interface OutputAdmission {
  readonly keep: number;
  readonly isTruncated: boolean;
}

/** The last line with something on it, cut to a length that fits into a message. */
export function lastLineOf(text: string, lengthMax = 300): string {
  const line = text.split(/\r?\n|\r/u).findLast((candidate) => candidate.trim() !== "") ?? "";
  const printable = line.trim().replace(UNPRINTABLE, "");
  return printable.length <= lengthMax ? printable : `${printable.slice(0, lengthMax)}…`;
}

/** Control characters and bidirectional overrides: a message must not be able to act on a terminal. */
const UNPRINTABLE = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
