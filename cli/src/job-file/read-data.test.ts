import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { parseRequestedSpec } from "@skrei/wire/parse-job-spec.ts";
import { expect, test } from "vitest";
import { applyFlags } from "../run/apply-flags.ts";
import { resolveForPlan } from "../run/plan-draft.ts";
import { parsePublisher } from "../parse/parse-publisher.ts";
import { readJobFile } from "./read-job-file.ts";

const jobOf = (task: string): string => `Type: batch\nTasks:\n  - Engine: {Type: docker, Params: {Image: busybox}}\n${task}`;
const read = (task: string) => readJobFile({ text: jobOf(task), fileName: "job.yaml" });
const input = (source: string, rest = ""): string => `    InputSources: [{Target: /in, Source: ${source}${rest}}]\n`;
const HEX = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

function problemsOf(task: string): readonly string[] {
  try {
    read(task);
  } catch (error) {
    if (error instanceof DomainError) return error.violations.map(({ field, message }) => `${field.replace("job.yaml:", "")} ${message}`);
    throw error;
  }
  return [];
}

/** The job as the API has it, once through its own checks. */
async function jsonOf(task: string): Promise<unknown> {
  const spec = await resolveForPlan(read(task), "/");
  parseRequestedSpec(spec);
  expect(fromBinary(JobSpecSchema, toBinary(JobSpecSchema, spec))).toEqual(spec);
  const json = toJson(JobSpecSchema, spec);
  expect(fromJson(JobSpecSchema, json)).toEqual(spec);
  return (json as { task: unknown }).task;
}

test("an S3 source has every parameter of Bacalhau's, in any case and with numbers as text", async () => {
  const params = `{bucket: logs, KEY: 2026/*, Filter: ".*\\\\.gz$", Region: eu-west-1, Endpoint: "http://h:9000", Partition: {Type: Substring, StartIndex: "2", EndIndex: 6, Pattern: ""}}`;
  expect(await jsonOf(input(`{Type: S3, Params: ${params}}`))).toMatchObject({
    inputs: [
      {
        target: "/in",
        s3: { bucket: "logs", key: "2026/*", filter: ".*\\.gz$", region: "eu-west-1", endpoint: "http://h:9000" },
        partition: { by: "BY_SUBSTRING", startIndex: 2, endIndex: 6 },
      },
    ],
  });
});

test("one object has its version and its digest in hex", async () => {
  const sum = Buffer.from(HEX, "hex").toString("base64");
  expect(await jsonOf(input(`{Type: s3, Params: {Bucket: logs, Key: a/b.csv, VersionID: v1, ChecksumSHA256: "${sum}"}}`))).toMatchObject({
    inputs: [{ target: "/in", s3: { key: "a/b.csv", versionId: "v1", sha256: HEX } }],
  });
});

test.for([
  ["none", undefined],
  ["''", undefined],
  ["Object", { by: "object", glob: "" }],
  ['regex, Pattern: "host-(\\\\d+)"', { by: "regex", pattern: "host-(\\d+)", glob: "" }],
  ["date, DateFormat: 2006-01-02", { by: "date", dateFormat: "2006-01-02", glob: "" }],
] as const)("an S3 source is divided by %s", ([type, partition]) => {
  const [one] = read(input(`{Type: s3, Params: {Bucket: logs, Key: a/, Partition: {Type: ${type}}}}`)).inputs;
  expect(one?.partition).toEqual(partition);
});

test("a WASM module that is an object of S3 is found under its name in the folder at the target", async () => {
  const module = "{Target: /app/main.wasm, Source: {Type: s3, Params: {Bucket: mods, Key: v1/main.wasm}}}";
  const text = `Type: batch\nTasks:\n  - Engine: {Type: wasm, Params: {EntryModule: /app/main.wasm}}\n    InputSources: [${module}]\n`;
  const spec = await resolveForPlan(readJobFile({ text, fileName: "job.yaml" }), "/");
  expect(parseRequestedSpec(spec).task.engine).toMatchObject({ entryModule: "/app/main.wasm/main.wasm" });
});

test("a signed link is a download", () => {
  const params = "{Bucket: bkt, Key: r.tar.gz, Managed: true, PreSignedURL: 'https://b.example.com/x/r.tar.gz?X-Amz-Signature=1'}";
  expect(read(input(`{Type: s3PreSigned, Params: ${params}}`)).inputs[0]).toMatchObject({
    target: "/in/r.tar.gz",
    source: { type: "http", url: expect.stringContaining("X-Amz-Signature") as string },
  });
});

test.for([
  ["{SourcePath: /d, ReadWrite: true}", { path: "/d", isWritable: true }],
  ['{SourcePath: /d, ReadWrite: "true", CreateAs: dir}', { path: "/d", isWritable: true, creates: "folder" }],
  ["{SourcePath: /d, ReadWrite: true, CreateAs: File}", { path: "/d", isWritable: true, creates: "file" }],
  ["{SourcePath: /d, ReadWrite: false, CreateAs: noCreate}", { path: "/d" }],
] as const)("a local source with %s", ([params, source]) => {
  for (const type of ["local", "localDirectory"])
    expect(read(input(`{Type: ${type}, Params: ${params}}`)).inputs[0]?.source).toEqual({ type: "local", ...source });
});

test.for([
  ['{By: lines, HeaderLines: 1, Glob: "**/*.csv"}', { by: "BY_LINES", headerLines: 1, glob: "**/*.csv" }],
  ['{Glob: "*.csv"}', { by: "BY_FILES", glob: "*.csv" }],
  ['{By: BYTES, RecordBytes: "512"}', { by: "BY_BYTES", recordBytes: "512" }],
  ["bytes", { by: "BY_BYTES", recordBytes: "1" }],
  ["lines", { by: "BY_LINES" }],
  ["'regex:(a|b)'", { by: "BY_REGEX", pattern: "(a|b)" }],
  ["{By: substring, StartIndex: 0, EndIndex: 2}", { by: "BY_SUBSTRING", endIndex: 2 }],
] as const)("any input is divided by %s", async ([text, partition]) => {
  const task = input("{Type: job, Params: {Job: count}}", `, Partition: ${text}`);
  expect(await jsonOf(task)).toMatchObject({ inputs: [{ job: { job: "count" }, partition }] });
});

test.for([
  [
    "{Type: s3, Params: {Bucket: bkt, Key: 'r/{jobID}'}}",
    { type: "TYPE_S3", s3: { bucket: "bkt", key: "r/{jobID}", encoding: "ENCODING_TAR_GZIP" } },
  ],
  [
    "{Type: S3, Params: {Bucket: bkt, Key: k, Encoding: Plain, Region: r, Endpoint: 'http://h'}}",
    { s3: { encoding: "ENCODING_FILES", region: "r" } },
  ],
  [
    "{Type: s3, Params: {Bucket: bkt, Key: k, Encoding: zstd}, Retention: 7d}",
    { s3: { encoding: "ENCODING_TAR_ZSTD" }, retention: "604800s" },
  ],
  ["{Type: ipfs}", { type: "TYPE_IPFS" }],
  ["{Type: IPFS, Params: {}}", { type: "TYPE_IPFS" }],
  ["{Type: local}", { type: "TYPE_CLUSTER" }],
  ["{Type: s3managed}", { type: "TYPE_CLUSTER" }],
  ["{Type: noop}", { type: "TYPE_CLUSTER" }],
  ["{Type: local, Params: {Path: '/srv/{executionID}'}}", { type: "TYPE_LOCAL", local: { path: "/srv/{executionID}" } }],
  ["{Retention: 36h}", { retention: "129600s" }],
  ["'s3://bkt/k,opt=encoding=car'", { s3: { bucket: "bkt", key: "k", encoding: "ENCODING_CAR" } }],
  ["cluster", { type: "TYPE_CLUSTER" }],
] as const)("the publisher %s", async ([text, publisher]) => {
  expect(await jsonOf(`    Publisher: ${text}\n`)).toMatchObject({ publisher });
});

test("no publisher, or one without a type, is the node's default", async () => {
  expect(await jsonOf("")).not.toHaveProperty("publisher");
  expect(await jsonOf("    Publisher:\n")).not.toHaveProperty("publisher");
  expect(await jsonOf("    Publisher: {Type: ''}\n")).toMatchObject({ publisher: {} });
});

test.for([
  [input("{Type: s3, Params: {Key: a}}"), /an s3 source needs a Bucket/u],
  [input("{Type: s3, Params: {Bucket: b, ChecksumSHA256: abc}}"), /ChecksumSHA256: "abc" is not a SHA-256/u],
  [input("{Type: s3, Params: {Bucket: b, Partition: {Type: lines}}}"), /unknown division "lines"; expected none, object, regex/u],
  [input("{Type: s3, Params: {Bucket: b, Partition: {Type: object, EndIndex: x}}}"), /EndIndex: "x" is not a whole number/u],
  [input("{Type: s3, Params: {Bucket: b, Partition: {Type: object}}}", ", Partition: files"), /an input is divided once/u],
  [input("{Type: s3PreSigned, Params: {Bucket: b}}"), /needs a PreSignedURL/u],
  [input("{Type: s3managed, Params: {JobID: j}}"), /type s3managed are not offered.*job:ID\/output/u],
  [input("{Type: local, Params: {SourcePath: /d, CreateAs: pipe}}"), /dir, file or noCreate/u],
  [input("{Type: job, Params: {Job: a}}", ", Partition: {By: lnies}"), /unknown division "lnies"; did you mean "lines"/u],
  [input("{Type: job, Params: {Job: a}}", ", Partition: {By: lines, Header: 1}"), /unknown field "Header" in Partition/u],
  ["    Publisher: {Type: s3}\n", /needs Params with a Bucket and a Key/u],
  ["    Publisher: {Type: s3, Params: {Bucket: bkt, Key: k, Encoding: zip}}\n", /Encoding: "zip" is not an encoding/u],
  ["    Publisher: {Type: ipsf}\n", /unknown publisher "ipsf"; did you mean "ipfs"\?; leave it out/u],
  ["    Publisher: {Type: s3managed, Params: {JobID: x}}\n", /the publisher s3managed takes no Params/u],
  ["    Publisher: {Type: local, Params: {Paht: /x}}\n", /unknown field "Paht"/u],
  ["    Publisher: {Type: ipfs, Retention: soon}\n", /Retention: "soon" is not a duration/u],
] as const)("refuses %s at its place", ([task, message]) => {
  expect(problemsOf(task)).toEqual(expect.arrayContaining([expect.stringMatching(message)]));
  expect(problemsOf(task)[0]).toMatch(/^4:\d+ /u);
});

test("flags go over the publisher of the file, each alone", () => {
  const draft = read("    Publisher: {Type: s3, Params: {Bucket: bkt, Key: k}, Retention: 7d}\n");
  const none = {
    where: [],
    constraints: [],
    label: [],
    labels: [],
    out: [],
    output: [],
    env: [],
    input: [],
    network: [],
    net: [],
    domain: [],
  };
  const publisherOf = (flags: object): unknown => {
    const spec = applyFlags(draft, { ...none, ...flags } as unknown as Parameters<typeof applyFlags>[1]).spec;
    return (toJson(JobSpecSchema, create(JobSpecSchema, spec)) as { task: { publisher: unknown } }).task.publisher;
  };
  const s3 = { bucket: "bkt", key: "k", encoding: "ENCODING_TAR_GZIP" };
  expect(publisherOf({})).toEqual({ type: "TYPE_S3", s3, retention: "604800s" });
  expect(publisherOf({ retention: 60_000 })).toEqual({ type: "TYPE_S3", s3, retention: "60s" });
  expect(publisherOf({ publisher: parsePublisher("ipfs") })).toEqual({ type: "TYPE_IPFS", retention: "604800s" });
});
