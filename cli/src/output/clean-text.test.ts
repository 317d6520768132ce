import fc from "fast-check";
import { expect, test } from "vitest";
import { cleanLine, cleanText, createTextCleaner } from "./clean-text.ts";

const HOSTILE: readonly (readonly [name: string, text: string, cleaned: string])[] = [
  ["a clipboard write", "a\u001B]52;c;ZXZpbA==\u0007b", "ab"],
  ["a window title", "a\u001B]0;title\u001B\\b", "ab"],
  ["a hyperlink", "\u001B]8;;https://evil.example\u001B\\safe\u001B]8;;\u001B\\", "safe"],
  ["an unterminated OSC, which ends with its line", "a\u001B]0;never\nb", "a\nb"],
  ["an 8-bit OSC", "a\u009D0;t\u009Cb", "ab"],
  ["an 8-bit CSI", "a\u009B2Jb", "ab"],
  ["cursor moves and erasures", "a\u001B[2J\u001B[1;1H\u001B[?1049hb", "ab"],
  ["a DCS body", "a\u001BPqpayload\u001B\\b", "ab"],
  ["an APC body", "a\u001B_Gf=100;AAAA\u001B\\b", "ab"],
  ["PM and SOS bodies", "a\u001B^x\u001B\\b\u001BXy\u001B\\c", "abc"],
  ["charset switches", "a\u001B(0b\u001B)Bc", "abc"],
  ["a reset", "a\u001Bcb", "ab"],
  ["concealed text", "a\u001B[8mb\u001B[0m", "ab"],
  ["bell, backspace, delete and null", "pass\b\b\b\bfail\u0007\u007F\0", "passfail"],
  ["a carriage return that overwrites", "safe\rEVIL\n", "safe\nEVIL\n"],
  ["Windows line ends", "a\r\nb\r\n", "a\nb\n"],
  ["a right-to-left override", "a\u202Egpj.exe", "a<RLO>gpj.exe"],
  ["isolates", "\u2066a\u2069", "<LRI>a<PDI>"],
  ["zero-width characters", "a\u200Bb\uFEFF", "a<ZWSP>b<BOM>"],
  ["invisible tags", "a\u{E0041}b", "a<U+E0041>b"],
  ["a lone surrogate", "a\uD800b", "a\uFFFDb"],
  ["other C1 controls", "a\u0084\u0085b", "ab"],
  ["an escape inside an escape", "a\u001B\u001B[31mb", "ab"],
  ["a line end inside a CSI", "a\u001B[3\nb", "a\nb"],
];

test.for(HOSTILE)("removes %s", ([, text, cleaned]) => {
  expect(cleanText(text)).toBe(cleaned);
});

test("keeps letters of every script, and emoji", () => {
  expect(cleanText("Grüße, 世界, مرحبا, 👍\n")).toBe("Grüße, 世界, مرحبا, 👍\n");
});

test("expands tabs to the next multiple of eight", () => {
  expect(cleanText("ab\tc")).toBe("ab      c");
});

test("keeps plain colours of logs and closes them at the end of the line", () => {
  expect(cleanText("\u001B[1;31mred\nplain", { sgr: "colour" })).toBe("\u001B[1;31mred\u001B[0m\nplain");
});

test("keeps no code of an extended colour, whose numbers mean other things alone", () => {
  expect(cleanText("\u001B[38;5;4mx\u001B[48;2;1;3;4my\u001B[7mz", { sgr: "colour" })).toBe("xyz");
});

test("cuts a line at 4 kB and says how long it was", () => {
  expect(cleanText(`${"x".repeat(5000)}\ny`)).toBe(`${"x".repeat(4096)} … (5000 characters)\ny`);
});

test("puts a message on one line", () => {
  expect(cleanLine("a\nb\r\nc\n")).toBe("a b c");
});

const hostileText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "\u001B",
        "\u001B[",
        "\u001B]",
        "\u009B",
        "\u001BP",
        "\u001B\\",
        "\r",
        "\n",
        "31m",
        ";",
        "\u0007",
        "\uD83D",
        "\uDC4D",
      ),
    ),
  )
  .map((parts) => parts.join(""));

test("never lets a control character, an escape or a bidi control through", () => {
  fc.assert(
    fc.property(hostileText, (text) => {
      // oxlint-disable-next-line no-control-regex -- Control characters are what is looked for.
      expect(cleanText(text)).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/u);
      // oxlint-disable-next-line no-control-regex -- As above.
      expect(cleanText(text, { sgr: "colour" }).replaceAll(/\u001B\[[\d;]+m/gu, "")).not.toContain("\u001B");
    }),
  );
});

test("gives the same text however the stream is cut", () => {
  fc.assert(
    fc.property(hostileText, fc.nat(), (text, cut) => {
      const at = cut % (text.length + 1);
      const cleaner = createTextCleaner({ sgr: "colour" });
      expect(cleaner.push(text.slice(0, at)) + cleaner.push(text.slice(at)) + cleaner.end()).toBe(cleanText(text, { sgr: "colour" }));
    }),
  );
});
