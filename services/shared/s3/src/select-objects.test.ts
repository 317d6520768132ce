import { expect, test } from "vitest";
import { parseS3Location, selectKey } from "./location.ts";
import { keyFilter, planFiles } from "./select-objects.ts";

const objectsOf = (...keys: readonly string[]): readonly { readonly key: string }[] => keys.map((key) => ({ key }));
const invalid = expect.objectContaining({ kind: "invalid", reason: "FIELD_INVALID" });

test.each([
  ["s3://bucket/a/b.txt", "bucket", "a/b.txt"],
  ["S3://bucket", "bucket", ""],
  ["s3://bucket/", "bucket", ""],
  ["s3://my.old_Bucket//a?b#c%2F*", "my.old_Bucket", "/a?b#c%2F*"],
  ["s3://bucket/a/../b\n", "bucket", "a/../b\n"],
])("reads %s", (text, bucket, key) => {
  expect(parseS3Location(text)).toEqual({ bucket, key });
});

test.each([
  "http://bucket/key",
  "s3:/bucket/key",
  "s3://",
  "s3:///key",
  "s3://a/b",
  "s3://a..b/c",
  "s3://-ab/c",
  "s3://user@host/k",
  `s3://bucket/${"k".repeat(1_025)}`,
  "s3://bucket/\uD800",
])("refuses %s", (text) => {
  expect(() => parseS3Location(text)).toThrow(invalid);
});

test.each([
  ["a", { kind: "object", key: "a" }],
  ["a*b", { kind: "object", key: "a*b" }],
  ["a/b*", { kind: "prefix", prefix: "a/b" }],
  ["a/", { kind: "prefix", prefix: "a/" }],
  ["*", { kind: "prefix", prefix: "" }],
  ["", { kind: "prefix", prefix: "" }],
])("the key %j selects %j", (key, selection) => {
  expect(selectKey(key)).toEqual(selection);
});

test("filters by a match anywhere behind the prefix", () => {
  const objects = objectsOf("logs/2024/a.csv", "logs/2024/b.txt", "logs/logs.csv");
  expect(objects.filter(keyFilter("logs/", "\\.csv$")).map(({ key }) => key)).toEqual(["logs/2024/a.csv", "logs/logs.csv"]);
  expect(objects.filter(keyFilter("logs/", "^logs")).map(({ key }) => key)).toEqual(["logs/logs.csv"]);
  expect(objects.filter(keyFilter("logs/", ""))).toEqual(objects);
  expect(() => keyFilter("", "(?<=a)b")).toThrow(invalid);
});

test("lays objects out below the last folder of the prefix", () => {
  const paths = planFiles(objectsOf("logs/2024-01", "logs/2024-02/x", "logs/2024-03/"), "logs/2024-").map(({ path }) => path.join("/"));
  expect(paths).toEqual(["2024-01", "2024-02/x"]);
});

test.each([
  ["a parent", ["in/../x"]],
  ["itself", ["in/./x"]],
  ["an empty name", ["in//x"]],
  ["a leading slash", ["/etc/passwd"]],
  ["a NUL", ["in/a\0b"]],
  ["a name of 256 bytes", [`in/${"é".repeat(128)}`]],
  ["a file in a file", ["in/a/b", "in/a"]],
  ["the same twice", ["in/a", "in/a"]],
])("does not lay out %s", (_name, keys) => {
  expect(() => planFiles(objectsOf(...keys), keys[0]?.startsWith("/") === true ? "" : "in/")).toThrow(invalid);
});
