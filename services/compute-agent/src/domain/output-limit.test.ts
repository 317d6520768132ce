import { expect, test } from "vitest";
import { admitOutput, lastLineOf } from "./output-limit.ts";

test("keeps output up to the limit and drops the rest of the piece that crosses it", () => {
  expect(admitOutput(10, { keptBytes: 0, bytesMax: 25 })).toEqual({ keep: 10, isTruncated: false });
  expect(admitOutput(10, { keptBytes: 20, bytesMax: 25 })).toEqual({ keep: 5, isTruncated: true });
  expect(admitOutput(10, { keptBytes: 25, bytesMax: 25 })).toEqual({ keep: 0, isTruncated: true });
});

test.each([
  ["", ""],
  ["one\ntwo\n", "two"],
  ["one\n\n  \n", "one"],
  ["Traceback:\r\n  ValueError: bad\r\n", "ValueError: bad"],
  ["\u001b]52;c;evil\u0007text\u202etxet\n", "]52;c;eviltexttxet"],
])("the last line of %j is %j", (text, line) => {
  expect(lastLineOf(text)).toBe(line);
});

test("cuts a long line", () => {
  expect(lastLineOf("x".repeat(1_000))).toBe(`${"x".repeat(300)}…`);
});
