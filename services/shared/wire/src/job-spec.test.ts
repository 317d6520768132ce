import { create, fromBinary, fromJson, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { DomainError, LIMITS } from "@skrei/domain";
import type { Violation } from "@skrei/domain";
import { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jobSpecFromProto, jobSpecToProto } from "./job-spec.ts";
import { parseJobSpec } from "./parse-job-spec.ts";

type SpecInit = MessageInitShape<typeof JobSpecSchema>;
type TaskInit = NonNullable<SpecInit["task"]>;

const docker = (image: string) => ({ case: "docker", value: { image } }) as const;
const aTask = (change: object = {}): TaskInit => ({ engine: docker("debian:13"), ...change });
const problemsOf = (spec: SpecInit): readonly Violation[] => {
  try {
    parseJobSpec(create(JobSpecSchema, spec));
    return [];
  } catch (error) {
    if (error instanceof DomainError && error.kind === "invalid" && error.reason === "SPEC_INVALID") return error.violations;
    throw error;
  }
};
const fieldsOf = (spec: SpecInit): readonly string[] => problemsOf(spec).map(({ field }) => field);
const input = (target: string, source: object = { case: "inline", value: { data: new Uint8Array(3) } }) => ({ target, source });

describe("a spec from a stranger", () => {
  test("gets every default", () => {
    expect(parseJobSpec(create(JobSpecSchema, { task: aTask() }))).toEqual({
      name: "",
      namespace: "default",
      type: "batch",
      priority: 0,
      count: 1,
      labels: {},
      meta: {},
      constraints: [],
      task: {
        name: "main",
        engine: { name: "docker", image: "debian:13", entrypoint: [], parameters: [], workingDirectory: "" },
        env: {},
        inputs: [],
        outputs: [],
        resources: { cpuMillis: 500, memoryBytes: 536_870_912, diskBytes: 1_073_741_824 },
        network: { mode: "none", domains: [], egressBytesMax: 0 },
        publisher: { type: "default" },
        timeouts: { executionMs: 86_400_000, queueMs: 0, totalMs: 0 },
      },
      retry: { attemptsMax: 3, backoffMs: 1_000, backoffMsMax: 60_000, retriesUserFailures: false, retryExitCodes: [] },
    });
  });

  test("lists all of its problems at once, each with the path in the API's JSON, what was found and what is allowed", () => {
    const problems = problemsOf({
      name: "Not Good",
      count: -1,
      task: aTask({
        engine: docker("Debian"),
        inputs: [input("/a"), input("/b"), input("/a/../c")],
        outputs: [{ name: "../x", path: "/out" }],
      }),
    });
    expect(problems.map(({ field }) => field)).toEqual([
      "name",
      "count",
      "task.inputs[2].target",
      "task.outputs[0].name",
      "task.docker.image",
    ]);
    expect(problems[1]?.message).toBe("found -1; allowed: 1 to 1000000");
    expect(problems[2]?.message).toBe('found "/a/../c"; allowed: a normalised path: no .., no ., no // and no / at the end');
  });

  test.each([
    ["no task", {}, ["task"]],
    ["no engine", { task: {} }, ["task"]],
    ["no image", { task: aTask({ engine: docker("") }) }, ["task.docker.image"]],
    ["no source", { task: aTask({ inputs: [{ target: "/a" }] }) }, ["task.inputs[0]"]],
    ["no operator", { constraints: [{ key: "a", values: ["b"] }], task: aTask() }, ["constraints[0].operator"]],
    ["a type of a newer client", { type: 7, task: aTask() }, ["type"]],
    ["a network mode of a newer client", { task: aTask({ network: { mode: 9 } }) }, ["task.network.mode"]],
    ["a publisher of a newer client", { task: aTask({ publisher: { type: 9 } }) }, ["task.publisher.type"]],
    ["a value for exists", { constraints: [{ key: "a", operator: 5, values: ["b"] }], task: aTask() }, ["constraints[0].values"]],
    ["a word for gt", { constraints: [{ key: "a", operator: 7, values: ["b"] }], task: aTask() }, ["constraints[0].values[0]"]],
    ["a reserved variable", { task: aTask({ env: { SKREI_JOB_ID: "x" } }) }, ['task.env["SKREI_JOB_ID"]']],
    ["a NUL in a variable", { task: aTask({ env: { A: "\0" } }) }, ['task.env["A"]']],
    ["a module that no input holds", { task: { engine: { case: "wasm", value: { entryModule: "/m.wasm" } } } }, ["task.wasm.entryModule"]],
    ["an empty resource", { task: aTask({ resources: { cpuMillis: -1n, memoryBytes: 5n, diskBytes: 5n } }) }, ["task.resources.cpuMillis"]],
    [
      "a total shorter than its parts",
      { task: aTask({ timeouts: { total: { seconds: 5n }, execution: { seconds: 6n } } }) },
      ["task.timeouts.total"],
    ],
    ["a negative duration", { task: aTask({ timeouts: { queue: { seconds: -5n } } }) }, ["task.timeouts.queue"]],
    [
      "a backoff above its bound",
      { task: aTask(), retry: { backoff: { seconds: 9n }, backoffMax: { seconds: 8n } } },
      ["retry.backoffMax"],
    ],
    ["21 attempts", { task: aTask(), retry: { maxAttempts: 21 } }, ["retry.maxAttempts"]],
    ["an exit code of 0 to retry", { task: aTask(), retry: { retryExitCodes: [0] } }, ["retry.retryExitCodes[0]"]],
    [
      "a relative working directory",
      { task: aTask({ engine: { case: "docker", value: { image: "a", workingDirectory: "x" } } }) },
      ["task.docker.workingDirectory"],
    ],
    ["65 labels", { labels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, ""])), task: aTask() }, ["labels"]],
    ["a label that is no word", { labels: { "-a": "b" }, task: aTask() }, ['labels["-a"]']],
    [
      "too much inline",
      { task: aTask({ inputs: [input("/a", { case: "inline", value: { data: new Uint8Array(LIMITS.inlineBytesMax + 1) } })] }) },
      ["task.inputs"],
    ],
    ["more than a spec may have", { meta: { a: "x".repeat(LIMITS.specBytesMax) }, task: aTask() }, ["spec"]],
    [
      "a user in a URL",
      { task: aTask({ inputs: [input("/a", { case: "http", value: { url: "https://u:p@h/x" } })] }) },
      ["task.inputs[0].http.url"],
    ],
    [
      "a file URL",
      { task: aTask({ inputs: [input("/a", { case: "http", value: { url: "file:///etc/passwd" } })] }) },
      ["task.inputs[0].http.url"],
    ],
    [
      "an upper-case digest",
      { task: aTask({ inputs: [input("/a", { case: "http", value: { url: "http://h/x", sha256: "A".repeat(64) } })] }) },
      ["task.inputs[0].http.sha256"],
    ],
    [
      "an old content id",
      { task: aTask({ inputs: [input("/a", { case: "content", value: { cid: "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG" } })] }) },
      ["task.inputs[0].content.cid"],
    ],
    [
      "a path with ..",
      { task: aTask({ inputs: [input("/a", { case: "local", value: { path: "/data/../etc" } })] }) },
      ["task.inputs[0].local.path"],
    ],
  ] as readonly [string, SpecInit, string[]][])("is refused with %s", (_, spec, fields) => {
    expect(fieldsOf(spec)).toEqual(fields);
  });

  test.each(["/", "/proc", "/sys/fs", "/dev/shm", "a", "/a/", "/a//b", "/a/./b", "/a\0b", `/${"a".repeat(1024)}`])(
    "may not have its input at %j",
    (target) => {
      expect(fieldsOf({ task: aTask({ inputs: [input(target)] }) })).toEqual(["task.inputs[0].target"]);
    },
  );

  test.each([
    ["/a", "/a"],
    ["/a", "/a/b"],
    ["/a/b", "/a"],
  ])("may not have an input at %s and an output at %s", (target, path) => {
    expect(fieldsOf({ task: aTask({ inputs: [input(target)], outputs: [{ name: "o", path }] }) })).toEqual(["task.outputs[0].path"]);
  });

  test("may have an input beside an output of a longer name", () => {
    expect(fieldsOf({ task: aTask({ inputs: [input("/a"), input("/process")], outputs: [{ name: "o", path: "/ab" }] }) })).toEqual([]);
  });

  test.each([
    "debian",
    "debian:13",
    "library/debian:13-slim",
    "localhost:5000/a/b:c",
    "ghcr.io/x/y@sha256:" + "a".repeat(64),
    "a__b/c-d",
    "[::1]:5000/x",
  ])("may run the image %s", (image) => {
    expect(fieldsOf({ task: aTask({ engine: docker(image) }) })).toEqual([]);
  });

  test.each(["Debian", "a:b:c", "a//b", "-a", "a b", "a@sha256:abc", "a:", "é", `a${"b".repeat(255)}`])(
    "may not run the image %j",
    (image) => {
      expect(fieldsOf({ task: aTask({ engine: docker(image) }) })).toEqual(["task.docker.image"]);
    },
  );

  test.each(["./job.yaml", "job.json", "/tmp/x", "~/a", "main.wasm"])("is told that %s is a file and no image", (image) => {
    expect(problemsOf({ task: aTask({ engine: docker(image) }) })[0]?.message).toContain(
      "this looks like a file, and a job file is submitted with `skrei job run FILE`",
    );
  });

  test("bounds the default time of an execution by the total", () => {
    const spec = parseJobSpec(create(JobSpecSchema, { task: aTask({ timeouts: { total: { seconds: 60n }, queue: { seconds: 10n } } }) }));
    expect(spec.task.timeouts).toEqual({ executionMs: 50_000, queueMs: 10_000, totalMs: 60_000 });
  });

  test("keeps at most 100 problems of garbage and says how many there were", () => {
    const spec = create(JobSpecSchema, {
      task: aTask({ engine: { case: "docker", value: { image: "a", parameters: Array.from({ length: 500 }, () => "\0") } } }),
    });
    expect(() => parseJobSpec(spec)).toThrow("499 more problems");
    expect(problemsOf(spec)).toHaveLength(100);
  });
});

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?$/u);
const label = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?$/u);
const source = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((data) => ({ case: "inline" as const, value: { data } })),
  fc.constant({ case: "content" as const, value: { cid: "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi" } }),
  fc.constant({ case: "local" as const, value: { path: "/data" } }),
  fc.constant({ case: "http" as const, value: { url: "https://example.com/x", sha256: "a".repeat(64) } }),
);
const validSpec = fc.record({
  name,
  count: fc.integer({ min: 1, max: 1_000_000 }),
  priority: fc.integer({ min: -100, max: 100 }),
  labels: fc.dictionary(label, label, { maxKeys: 5 }),
  constraints: fc.array(
    fc.record({
      key: label,
      operator: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const),
      values: label.map((value) => [value]),
    }),
    { maxLength: 3 },
  ),
  task: fc.record({
    engine: fc.oneof(
      fc
        .array(
          fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
          { maxLength: 3 },
        )
        .map((parameters) => ({ case: "docker" as const, value: { image: "a/b:c", parameters } })),
      fc.constant({ case: "wasm" as const, value: { entryModule: "/i/0" } }),
    ),
    inputs: fc
      .array(source, { minLength: 1, maxLength: 4 })
      .map((sources) => sources.map((one, index) => ({ target: `/i/${index}`, source: one }))),
    network: fc.oneof(
      fc.constantFrom({ mode: 1 as const }, { mode: 3 as const }),
      fc.record({
        mode: fc.constant(2 as const),
        domains: fc.array(
          fc.constantFrom("Example.com", ".example.com", ".pypi.org.", "files.pypi.org", "bücher.example", "8.8.8.8", "2606:4700::1111"),
          { minLength: 1, maxLength: 9 },
        ),
        egressBytesMax: fc.bigInt({ min: 0n, max: 2n ** 40n }),
      }),
    ),
    timeouts: fc.record({
      queue: fc.record({ seconds: fc.bigInt({ min: 0n, max: 10_000n }), nanos: fc.integer({ min: 0, max: 999_999_999 }) }),
    }),
  }),
  retry: fc.record({ retryExitCodes: fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { maxLength: 5 }) }),
});

describe("a job spec on the wire", () => {
  test("comes back as it was, by the strict and by the trusted way", () => {
    fc.assert(
      fc.property(validSpec, (init) => {
        const spec = parseJobSpec(create(JobSpecSchema, init));
        const pb = fromBinary(JobSpecSchema, toBinary(JobSpecSchema, jobSpecToProto(spec)));
        expect(parseJobSpec(pb)).toEqual(spec);
        expect(jobSpecFromProto(pb)).toEqual(spec);
      }),
    );
  });

  test("never makes the server throw anything but SPEC_INVALID, whatever the bytes", () => {
    fc.assert(
      fc.property(validSpec, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 20 }), (init, changes) => {
        const bytes = toBinary(JobSpecSchema, create(JobSpecSchema, init));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const spec = decodeOrUndefined(bytes);
        if (spec !== undefined) problemsOf(spec);
      }),
      { numRuns: 1_000 },
    );
  });

  test("never makes the server throw anything but SPEC_INVALID, whatever the JSON", () => {
    const word = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "constructor", "/.."));
    const task = fc.record(
      {
        name: word,
        docker: fc.record({ image: word, parameters: fc.array(word), workingDirectory: word }),
        env: fc.dictionary(word, word),
        inputs: fc.array(fc.record({ alias: word, target: word, http: fc.record({ url: word, sha256: word }) })),
        outputs: fc.array(fc.record({ name: word, path: word })),
        resources: fc.record({ cpuMillis: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) }),
        timeouts: fc.record({ total: fc.integer({ min: -315_576_000_000, max: 315_576_000_000 }).map((seconds) => `${seconds}s`) }),
      },
      { requiredKeys: [] },
    );
    const json = fc.record(
      {
        name: word,
        count: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        labels: fc.dictionary(word, word),
        meta: fc.dictionary(word, word),
        task,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(json, (value) => void problemsOf(fromJson(JobSpecSchema, value))),
      { numRuns: 500 },
    );
  });
});

function decodeOrUndefined(bytes: Uint8Array) {
  try {
    return fromBinary(JobSpecSchema, bytes);
  } catch {
    // Not a message at all: the transport refuses it before we see it.
    return undefined;
  }
}
