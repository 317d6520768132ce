import fc from "fast-check";
import { expect, test } from "vitest";
import { childText, escapeXml, parseXml } from "./xml.ts";

test("reads elements, text and references, and skips attributes", () => {
  const root = parseXml(
    '<?xml version="1.0" encoding="UTF-8"?>\n<A xmlns="http://s3/?x>y" b=\'c\'><Key>a&amp;b &lt;&#x1F600;&#10;</Key><E/><E></E>\n<N><Key>in</Key></N></A>\n',
  );
  expect(root.name).toBe("A");
  expect(childText(root, "Key")).toBe("a&b <\u{1F600}\n");
  expect(root.children.map(({ name }) => name)).toEqual(["Key", "E", "E", "N"]);
  expect(childText(root, "Missing")).toBe("");
});

test.each([
  ["nothing", ""],
  ["no element", "plain"],
  ["two documents", "<a/><b/>"],
  ["text behind", "<a/>x"],
  ["an open end", "<a><b></b>"],
  ["crossed elements", "<a><b></a></b>"],
  ["a close too many", "<a></a></a>"],
  ["a document type", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
  ["an entity of its own", "<a>&x;</a>"],
  ["a bare ampersand", "<a>b & c</a>"],
  ["a reference that is no character", "<a>&#x110000;</a>"],
  ["CDATA", "<a><![CDATA[b]]></a>"],
  ["a comment", "<a><!-- b --></a>"],
  ["an instruction", "<a><?b?></a>"],
  ["an attribute without quotes", "<a b=c/>"],
  ["depth without end", "<a>".repeat(1_000)],
  ["HTML", "<html><body><p>Bad gateway<br></body></html>"],
])("refuses %s", (_name, text) => {
  expect(() => parseXml(text)).toThrow(SyntaxError);
});

test("refuses a million tags before it has read them", () => {
  expect(() => parseXml(`<a>${"<b/>".repeat(1_000_000)}</a>`)).toThrow(/more than 200000 tags/u);
});

test("takes tags made to be slow in linear time", () => {
  const spaces = " ".repeat(200_000);
  expect(() => parseXml(`<a${spaces}`)).toThrow(SyntaxError);
  expect(() => parseXml(`<a ${'b="c" '.repeat(50_000)}!`)).toThrow(SyntaxError);
}, 5_000);

test("reads back whatever text it escaped", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(childText(parseXml(`<a><b>${escapeXml(text)}</b></a>`), "b")).toBe(text);
    }),
  );
});
