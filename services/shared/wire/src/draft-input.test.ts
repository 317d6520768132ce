import { create, fromJson, toJson } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import type { RequestedSpec, Violation } from "@skrei/domain";
import { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { compileKeyPattern } from "@skrei/s3/key-pattern.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jobSpecFromProto, jobSpecToProto } from "./job-spec.ts";
import { parseJobSpec, parseRequestedSpec } from "./parse-job-spec.ts";

type Json = { readonly [key: string]: JsonValue };

const specOf = (task: Json) => fromJson(JobSpecSchema, { task: { docker: { image: "a" }, ...task } });
const parseInputs = (...inputs: Json[]): RequestedSpec => parseRequestedSpec(specOf({ inputs: inputs.map(withTarget) }));
const withTarget = (input: Json, index: number): Json => ({ target: `/in/${index}`, ...input });

function problemsOf(task: Json): readonly Violation[] {
  try {
    parseRequestedSpec(specOf(task));
    return [];
  } catch (error) {
    if (error instanceof DomainError && error.reason === "SPEC_INVALID") return error.violations;
    throw error;
  }
}
const inputProblems = (input: Json): readonly string[] =>
  problemsOf({ inputs: [withTarget(input, 0)] }).map(({ field, message }) => `${field.replace("task.inputs[0].", "")}: ${message}`);
const s3 = (change: Json): Json => ({ s3: { bucket: "my-bucket", key: "a", ...change } });
const divided = (partition: Json): Json => ({ content: { cid: CID }, partition });
const CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";

describe("an input from S3", () => {
  test("keeps what was asked for", () => {
    const asked = { bucket: "b.c_D", key: "logs/2024-*", filter: "^x(1|2)$", region: "eu-1", endpoint: "http://10.0.0.5:9000/s3" };
    const spec = parseInputs({ s3: asked });
    expect(spec.task.inputs[0]?.source).toEqual({ type: "s3", versionId: "", sha256: "", ...asked });
  });

  test.each([
    ["the whole bucket", { key: "" }],
    ["a key with every odd letter", { key: "a b/../ü?#%*c" }],
    ["a version and digest of one object", { versionId: "3/L4kqtJlcpXroDTDm", sha256: "a".repeat(64) }],
  ])("may be %s", (_, change) => {
    expect(inputProblems(s3(change))).toEqual([]);
  });

  test.each([
    ["no bucket", { bucket: "" }, "s3.bucket: missing; allowed: a bucket"],
    ["a bucket with a path", { bucket: "a/b" }, 's3.bucket: found "a/b"'],
    ["a bucket with two dots", { bucket: "a..b" }, 's3.bucket: found "a..b"'],
    ["a key of 1,025 bytes", { key: "ü".repeat(512) + "x" }, "at most 1024 bytes of UTF-8"],
    ["a NUL in its key", { key: "a\0" }, "text in UTF-8 without NUL"],
    [
      "look-ahead in its filter",
      { filter: "(?=a)" },
      "s3.filter: The pattern for object keys is refused: it does not parse. Write it in RE2",
    ],
    ["a filter that is too long", { filter: "a".repeat(1_025) }, "s3.filter: found"],
    ["a region that is a host", { region: "x.evil" }, "allowed: a region such as eu-central-1"],
    ["credentials in its endpoint", { endpoint: "http://a:b@h" }, "without user name and password"],
    ["a query in its endpoint", { endpoint: "http://h/?a" }, "without ? and #"],
    ["an endpoint of another kind", { endpoint: "ftp://h" }, "s3.endpoint: found"],
    ["a version of a folder", { key: "a/", versionId: "1" }, "s3.versionId: found"],
    ["a digest of a prefix", { key: "a*", sha256: "a".repeat(64) }, "only with the key of one object, which does not end with / or *"],
    ["a digest of a bucket", { key: "", sha256: "a".repeat(64) }, "s3.sha256: found"],
    ["an upper-case digest", { sha256: "A".repeat(64) }, "64 digits of lower-case hex"],
  ])("is refused with %s", (_, change, message) => {
    expect(inputProblems(s3(change))).toEqual([expect.stringContaining(message)]);
  });
});

describe("a path of the node", () => {
  test("may be written to, and made", () => {
    const spec = parseInputs({ local: { path: "/data", writable: true, create: "CREATE_FOLDER" } }, { local: { path: "/data" } });
    expect(spec.task.inputs.map(({ source }) => source)).toEqual([
      { type: "local", path: "/data", isWritable: true, creates: "folder" },
      { type: "local", path: "/data" },
    ]);
  });

  test.each([
    [{ local: { path: "/data", create: "CREATE_FILE" } }, "local.create: found without writable"],
    [{ local: { path: "/data", create: 9 } }, "local.create: found 9; allowed: NOTHING, FOLDER or FILE"],
    [{ local: { path: "/data", writable: true }, partition: { by: "BY_LINES" } }, "partition: found with a writable input"],
  ])("is refused as %j", (input, message) => {
    expect(inputProblems(input)).toEqual([expect.stringContaining(message)]);
  });
});

describe("a division among partitions", () => {
  test.each([
    [
      { by: "BY_FILES", glob: "**/*.{csv,tsv}" },
      { by: "files", glob: "**/*.{csv,tsv}" },
    ],
    [{ by: "BY_OBJECT" }, { by: "object", glob: "" }],
    [
      { by: "BY_REGEX", pattern: "([a-z]+)-" },
      { by: "regex", pattern: "([a-z]+)-", glob: "" },
    ],
    [
      { by: "BY_SUBSTRING", endIndex: 4 },
      { by: "substring", startIndex: 0, endIndex: 4, glob: "" },
    ],
    [
      { by: "BY_DATE", dateFormat: "2006/01/02" },
      { by: "date", dateFormat: "2006/01/02", glob: "" },
    ],
    [
      { by: "BY_LINES", headerLines: 1 },
      { by: "lines", headerLines: 1, glob: "" },
    ],
    [{ by: "BY_BYTES" }, { by: "bytes", recordBytes: 1, glob: "" }],
    [
      { by: "BY_BYTES", recordBytes: "1099511627776" },
      { by: "bytes", recordBytes: 2 ** 40, glob: "" },
    ],
  ])("%j is %j", (asked, partition) => {
    expect(parseInputs(divided(asked)).task.inputs[0]?.partition).toEqual(partition);
  });

  test.each([
    [{}, "partition.by: missing; allowed: BY_FILES"],
    [{ by: 99 }, "partition.by: found 99; allowed: BY_FILES"],
    [{ by: "BY_REGEX" }, "partition.pattern: missing"],
    [{ by: "BY_REGEX", pattern: "(" }, "partition.pattern: The pattern for object keys is refused"],
    [{ by: "BY_REGEX", pattern: "\\1" }, "partition.pattern: The pattern for object keys is refused"],
    [{ by: "BY_REGEX", pattern: "a\0" }, "partition.pattern: found"],
    [{ by: "BY_DATE" }, "partition.dateFormat: missing"],
    [{ by: "BY_DATE", dateFormat: "YYYY-MM-DD" }, "partition.dateFormat: The date layout"],
    [{ by: "BY_SUBSTRING" }, "partition.endIndex: found 0; allowed: 1 to 1024"],
    [{ by: "BY_SUBSTRING", startIndex: -1, endIndex: 2 }, "partition.startIndex: found -1; allowed: 0 to 1023"],
    [{ by: "BY_SUBSTRING", startIndex: 2, endIndex: 2 }, "partition.endIndex: found 2; allowed: 3 to 1024"],
    [{ by: "BY_LINES", headerLines: 101 }, "partition.headerLines: found 101; allowed: 0 to 100"],
    [{ by: "BY_LINES", headerLines: -1 }, "partition.headerLines: found -1"],
    [{ by: "BY_BYTES", recordBytes: "-1" }, "partition.recordBytes: found -1; allowed: 1 to 1099511627776 bytes"],
    [{ by: "BY_BYTES", recordBytes: "1099511627777" }, "partition.recordBytes: found"],
    [{ by: "BY_FILES", pattern: "a" }, "partition.pattern: found with BY_FILES; allowed: only with BY_REGEX"],
    [{ by: "BY_LINES", recordBytes: "5" }, "partition.recordBytes: found with BY_LINES; allowed: only with BY_BYTES"],
    [{ by: "BY_DATE", dateFormat: "2006", endIndex: 5 }, "partition.endIndex: found with BY_DATE; allowed: only with BY_SUBSTRING"],
  ] as readonly [Json, string][])("%j is refused", (asked, message) => {
    expect(inputProblems(divided(asked))).toEqual([expect.stringContaining(message)]);
  });

  test.each(["*.csv", "**", "a/**/b", "[!a-z]?.txt", "{a,b}/*", "a b/ü*"])("may be by the glob %s", (glob) => {
    expect(inputProblems(divided({ by: "BY_FILES", glob }))).toEqual([]);
  });

  test.each([
    "/a",
    "a/",
    "a//b",
    "../a",
    "a/./b",
    "a**",
    "**a/b",
    "[",
    "a]",
    "{a",
    "{a,{b}}",
    "[]",
    "{}",
    "a\\*",
    "a\0",
    "*a".repeat(33),
    "{a/b}",
  ])("may not be by the glob %j", (glob) => {
    expect(inputProblems(divided({ by: "BY_FILES", glob }))).toEqual([expect.stringContaining("partition.glob: found")]);
  });

  test("goes with any source, also with an output of a job, and the same data may be there twice", () => {
    const by = { by: "BY_FILES" };
    const spec = parseInputs(
      { content: { cid: CID }, partition: by },
      { content: { cid: CID } },
      { job: { job: "j-1" }, partition: by },
      { ...s3({}), partition: by },
    );
    expect(spec.task.inputs.map(({ partition }) => partition?.by)).toEqual(["files", undefined, "files", "files"]);
  });

  test("reserves the folder in which a task finds what it got, and only then", () => {
    const places = { inputs: [{ target: "/skrei", content: { cid: CID } }], outputs: [{ name: "o", path: "/skrei/out" }] };
    expect(problemsOf({ inputs: places.inputs }).map(({ field }) => field)).toEqual([]);
    const withOther = {
      inputs: [
        { target: "/skrei/in", content: { cid: CID } },
        { target: "/d", ...divided({ by: "BY_FILES" }) },
      ],
    };
    const problems = problemsOf({
      ...withOther,
      outputs: [
        { name: "o", path: "/skrei/out" },
        { name: "p", path: "/skreis" },
      ],
    });
    expect(problems.map(({ field }) => field)).toEqual(["task.inputs[0].target", "task.outputs[0].path"]);
    expect(problems[0]?.message).toBe(
      'found "/skrei/in"; allowed: a path outside /skrei, where a task finds what it got of its divided inputs',
    );
  });
});

describe("a hostile pattern", () => {
  test.each(["(a+)+$", "(a|a)*b", "(x{1000}){1000}", "((a{100}){100}){100}", "(".repeat(500) + ")".repeat(500), "\\p{L}{1000}", "a{1001}"])(
    "is refused or matches in linear time: %s",
    (pattern) => {
      const problems = inputProblems(s3({ filter: pattern }));
      if (problems.length === 0) compileKeyPattern(pattern)("a".repeat(1_024));
      else expect(problems).toEqual([expect.stringContaining("s3.filter: The pattern for object keys is refused")]);
    },
  );
});

const word = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("__proto__", "/..", "(", "a{9}", "2006-01-02", "**/*.csv", "s3://", "{jobID}"),
);
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const loose = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { requiredKeys: [] });
const partition = loose({
  by: fc.integer({ min: 0, max: 9 }),
  glob: word,
  pattern: word,
  startIndex: int,
  endIndex: int,
  dateFormat: word,
  headerLines: int,
  recordBytes: long,
});
const source = fc.oneof(
  loose({ bucket: word, key: word, filter: word, region: word, endpoint: word, versionId: word, sha256: word }).map((value) => ({
    s3: value,
  })),
  loose({ path: word, writable: fc.boolean(), create: fc.integer({ min: 0, max: 5 }) }).map((value) => ({ local: value })),
);
const publisher = loose({
  type: fc.integer({ min: 0, max: 6 }),
  s3: loose({ bucket: word, key: word, region: word, endpoint: word, encoding: fc.integer({ min: 0, max: 6 }) }),
  local: loose({ path: word }),
  retention: fc.integer({ min: -315_576_000_000, max: 315_576_000_000 }).map((seconds) => `${seconds}s`),
});
const task = loose({
  inputs: fc.array(
    fc.tuple(source, loose({ partition })).map(([one, rest]) => ({ ...one, ...rest })),
    { maxLength: 3 },
  ),
  publisher,
});

test("whatever is asked for, it is refused as SPEC_INVALID or comes back as it was by every way", () => {
  fc.assert(
    fc.property(task, (value) => {
      const given = { ...value, ...(value.inputs && { inputs: value.inputs.map(withTarget) }) } as Json;
      if (problemsOf(given).length > 0) return;
      const spec = parseJobSpec(specOf(given));
      const pb = create(JobSpecSchema, jobSpecToProto(spec));
      expect(jobSpecFromProto(pb)).toEqual(spec);
      expect(parseJobSpec(fromJson(JobSpecSchema, toJson(JobSpecSchema, pb)))).toEqual(spec);
    }),
    { numRuns: 2_000 },
  );
});
