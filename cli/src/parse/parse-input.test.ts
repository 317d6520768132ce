import { expect, test } from "vitest";
import { parseInput } from "./parse-input.ts";

function refusal(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    const { message, metadata } = error as { message: string; metadata?: Record<string, string> };
    return `${message} ${metadata?.["hint"] ?? ""}`.trim();
  }
  return "accepted";
}

const HEX = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
const BASE64 = Buffer.from(HEX, "hex").toString("base64");
const S3 = { type: "s3", bucket: "b", key: "k", filter: "", region: "", endpoint: "", versionId: "", sha256: "" } as const;

test.for([
  ["./data:/in", "/in", { type: "upload", path: "./data" }],
  ["./data", "/inputs", { type: "upload", path: "./data" }],
  ["https://host:8443/a/b.csv:/in", "/in", { type: "http", url: "https://host:8443/a/b.csv", sha256: "" }],
  ["https://host/a.csv", "/inputs", { type: "http", url: "https://host/a.csv", sha256: "" }],
  ["https://host/a,opt=sha256=ab", "/inputs", { type: "http", url: "https://host/a", sha256: "ab" }],
  ["src=https://host/a,dst=/x", "/x", { type: "http", url: "https://host/a", sha256: "" }],
  ["file:///var/data:/in", "/in", { type: "local", path: "/var/data" }],
  ["file:///var/a%20b:/in,opt=rw", "/in", { type: "local", path: "/var/a b", isWritable: true }],
  ["source=file:///d,destination=/in,option=read_write=true", "/in", { type: "local", path: "/d", isWritable: true }],
  ["file:///d,opt=rw=false", "/inputs", { type: "local", path: "/d" }],
  ["file:///d,opt=rw,opt=create=dir", "/inputs", { type: "local", path: "/d", isWritable: true, creates: "folder" }],
  ["file:///d,opt=rw,opt=create=file", "/inputs", { type: "local", path: "/d", isWritable: true, creates: "file" }],
  ["cid:bafyx:/in", "/in", { type: "content", cid: "bafyx", path: "" }],
  ["cid:bafyx/sub/file.csv:/in", "/in", { type: "content", cid: "bafyx", path: "sub/file.csv" }],
  ["ipfs://bafyx", "/inputs", { type: "content", cid: "bafyx", path: "" }],
  ["ipfs://bafyx/sub/:/in", "/in", { type: "content", cid: "bafyx", path: "sub" }],
  ["src=ipfs://QmX/a b,dst=/in", "/in", { type: "content", cid: "QmX", path: "a b" }],
  ["job:j-01k", "/inputs", { type: "job", job: "j-01k", output: "", partition: undefined }],
  ["job:count/words:/in", "/in", { type: "job", job: "count", output: "words", partition: undefined }],
  ["job:count/words:/in,opt=partition=3", "/in", { type: "job", job: "count", output: "words", partition: 3 }],
  ["src=job:count,dst=/in,opt=partition=0", "/in", { type: "job", job: "count", output: "", partition: 0 }],
  ["s3://b/k", "/inputs", S3],
  ["s3://b:/in", "/in", { ...S3, key: "" }],
  ["S3://b/logs/2024-*:/in", "/in", { ...S3, key: "logs/2024-*" }],
  ["s3://b/a%20b?#:/in", "/in", { ...S3, key: "a%20b?#" }],
  [
    "src=s3://b/k,dst=/in,opt=endpoint=http://127.0.0.1:9000,opt=region=eu-1,opt=filter=\\.gz$",
    "/in",
    { ...S3, endpoint: "http://127.0.0.1:9000", region: "eu-1", filter: "\\.gz$" },
  ],
  ['src=s3://b/k,dst=/in,"opt=filter=a{1,2}""x"', "/in", { ...S3, filter: 'a{1,2}"x' }],
  ["s3://b/k:/in,opt=filter=a{1,2}", "/in", { ...S3, filter: "a{1,2}" }],
  ...["versionID", "version-id", "version_id"].map((name) => [`s3://b/k,opt=${name}=v1`, "/inputs", { ...S3, versionId: "v1" }] as const),
  ...["checksum-256", "checksum256", "checksum_256"].flatMap((name) =>
    [HEX, HEX.toUpperCase(), BASE64].map((sum) => [`s3://b/k,opt=${name}=${sum}`, "/inputs", { ...S3, sha256: HEX }] as const),
  ),
] as const)("reads the input %s", ([text, target, source]) => {
  expect(parseInput(text)).toEqual({ alias: "", target, source });
});

test.for([
  ["split=files", { by: "files", glob: "" }],
  ["split=object,opt=glob=**/*.csv", { by: "object", glob: "**/*.csv" }],
  ["glob=*.txt", { by: "files", glob: "*.txt" }],
  ["split=lines,opt=header=1", { by: "lines", headerLines: 1, glob: "" }],
  ["header=2", { by: "lines", headerLines: 2, glob: "" }],
  ["split=bytes,opt=record=512", { by: "bytes", recordBytes: 512, glob: "" }],
  ["split=bytes", { by: "bytes", recordBytes: 1, glob: "" }],
  ["split=regex:host-([0-9]+):x", { by: "regex", pattern: "host-([0-9]+):x", glob: "" }],
  ["split=date:2006-01-02T15:04", { by: "date", dateFormat: "2006-01-02T15:04", glob: "" }],
  ["split=substring:0-4", { by: "substring", startIndex: 0, endIndex: 4, glob: "" }],
] as const)("divides any input by %s", ([options, partition]) => {
  for (const source of ["./data:/in", "s3://b/k/:/in", "job:count:/in"])
    expect(parseInput(`${source},opt=${options}`).partition).toEqual(partition);
});

test("names an input", () => {
  expect(parseInput("s3://b/k:/in,opt=alias=logs")).toMatchObject({ alias: "logs", target: "/in" });
});

test.for([
  ["s3managed://x:/in", /type s3managed are not offered.*job:ID\/output/u],
  ["gs://bucket/x:/in", /type gs are not offered.*urlDownload, s3/u],
  ["job:count,opt=partition=x", /whole number from 0/u],
  ["job:count,opt=region=x", /unknown option "region"\. Options here: partition, alias, split, glob, header, record/u],
  ["job:/words", /such as job:/u],
  ["ipfs://bafy,opt=x=1", /unknown option "x"/u],
  ["https://h/a,opt=region=x", /unknown option "region"/u],
  ["s3://b/k,opt=regoin=x", /unknown option "regoin"\. Options here: endpoint, region, filter, version-id, checksum-256/u],
  ["s3://b/k,opt=checksum-256=abc", /"abc" is not a SHA-256: 64 digits of hex, or base64/u],
  ["file:///a%zz:/in", /"file:\/\/\/a%zz" is not a path of the node, in which % is followed by two hex digits/u],
  ["file:///a,opt=rw,opt=ro", /an input that is read-only or writable, not both/u],
  ["file:///a,opt=rw=maybe", /"maybe" is not true or false/u],
  ["file:///a,opt=create=pipe", /"pipe" is not what is made when nothing is there: dir, file or noCreate/u],
  ["./a,opt=split=halves", /"halves" is not a division: files, object, lines/u],
  ["./a,opt=split=regex", /is not a division/u],
  ["./a,opt=split=files,opt=header=1", /"header=1" is not an option of this division, but of split=lines/u],
  ["./a,opt=split=lines,opt=record=1", /but of split=bytes/u],
  ["./a,opt=header=101", /whole number from 0 to 100/u],
  ['src=./a,"opt=glob=x', /quotes are closed/u],
] as const)("refuses the input %s", ([text, pattern]) => {
  expect(refusal(() => parseInput(text))).toMatch(pattern);
});
