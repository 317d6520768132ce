/** Characters that change the order of text or cannot be seen, by their Unicode names. */
const NAMES: Readonly<Record<number, string>> = {
  0x00ad: "SHY",
  0x061c: "ALM",
  0x200b: "ZWSP",
  0x200c: "ZWNJ",
  0x200d: "ZWJ",
  0x200e: "LRM",
  0x200f: "RLM",
  0x2028: "LS",
  0x2029: "PS",
  0x202a: "LRE",
  0x202b: "RLE",
  0x202c: "PDF",
  0x202d: "LRO",
  0x202e: "RLO",
  0x2066: "LRI",
  0x2067: "RLI",
  0x2068: "FSI",
  0x2069: "PDI",
  0xfeff: "BOM",
};

/** Default-ignorable code points (Unicode 16, DerivedCoreProperties) beyond those named above, and the interlinear annotation marks. */
const IGNORABLE: readonly (readonly [number, number])[] = [
  [0x034f, 0x034f],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffb],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  [0xe0000, 0xe00ff],
  [0xe01f0, 0xe0fff],
];

/** The character itself, a tag such as `<RLO>` for one that hides or reorders, nothing for a variation selector. */
export function visibleForm(letter: string, code: number): string {
  if (code < 0xad) return letter;
  if (code >= 0xd800 && code <= 0xdfff) return "\uFFFD";
  if ((code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xe0100 && code <= 0xe01ef)) return "";
  const name = NAMES[code];
  if (name !== undefined) return `<${name}>`;
  return IGNORABLE.some(([first, last]) => code >= first && code <= last)
    ? `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`
    : letter;
}
