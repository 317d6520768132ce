import { readFileSync } from "node:fs";
import { create, toJson } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { expect, test } from "vitest";
import { readJobFile } from "./read-job-file.ts";

const example = (name: string): string => readFileSync(new URL(`testdata/${name}.yaml`, import.meta.url), "utf8");

/** `line:column message`, one a problem. */
function problemsOf(text: string): readonly string[] {
  return refusalOf(text).violations.map(({ field, message }) => `${field.replace("job.yaml:", "")} ${message}`);
}

function refusalOf(text: string): DomainError {
  try {
    readJobFile({ text, fileName: "job.yaml" });
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error("the job was accepted");
}

const minimal = (task: string): string => `Type: batch\nTasks:\n  - Engine: {Type: docker, Params: {Image: busybox}}\n${task}`;

test("accepts every supported field of Bacalhau's format, in any case", () => {
  const { spec, inputs } = readJobFile({ text: example("supported"), fileName: "job.yaml" });
  expect(toJson(JobSpecSchema, create(JobSpecSchema, spec))).toEqual({
    name: "nightly-logs",
    namespace: "analytics",
    type: "TYPE_BATCH",
    priority: 5,
    count: 3,
    labels: { team: "data" },
    meta: { ticket: "4711" },
    constraints: [
      { key: "os_type", operator: "OPERATOR_EQUALS", values: ["linux"] },
      { key: "region", operator: "OPERATOR_IN", values: ["eu-1", "eu-2"] },
    ],
    task: {
      name: "main",
      docker: { image: "alpine:3.20", entrypoint: ["/bin/sh"], parameters: ["-c", "ls -R /data"], workingDirectory: "/data" },
      env: { LEVEL: "info", MODE: "fast" },
      outputs: [{ name: "outputs", path: "/outputs" }],
      resources: { cpuMillis: "500", memoryBytes: "512000000", diskBytes: "1073741824" },
      network: { mode: "MODE_NONE" },
      publisher: { type: "TYPE_CLUSTER" },
      timeouts: { execution: "900s", queue: "600s", total: "1800s" },
    },
  });
  expect(inputs).toEqual([
    { alias: "note", target: "/note.txt", source: { type: "inline", data: new TextEncoder().encode("hello you") } },
    { alias: "", target: "/data/logs.csv", source: { type: "http", url: "https://files.example.org/a/logs.csv", sha256: "" } },
    { alias: "", target: "/texts", source: { type: "upload", path: "./texts" } },
    { alias: "", target: "/host", source: { type: "local", path: "/var/data" } },
  ]);
});

test("reads JSON as it reads YAML", () => {
  const text = JSON.stringify(
    { type: "batch", tasks: [{ engine: { type: "docker", params: { image: "busybox", parameters: ["echo", "hi"] } } }] },
    null,
    2,
  );
  expect(readJobFile({ text, fileName: "job.json" }).spec.task.engine).toMatchObject({
    case: "docker",
    value: { image: "busybox", parameters: ["echo", "hi"] },
  });
});

test("takes the legacy form of a WASM module, an input inside the engine", () => {
  const text =
    "Type: batch\nTasks:\n  - Engine:\n      Type: wasm\n      Params:\n        EntryModule: {Source: {Type: upload, Params: {Path: main.wasm}}}\n";
  const { spec, inputs } = readJobFile({ text, fileName: "job.yaml" });
  expect(spec.task.engine).toMatchObject({ case: "wasm", value: { entryModule: "/wasm/entry.wasm" } });
  expect(inputs).toEqual([{ alias: "", target: "/wasm/entry.wasm", source: { type: "upload", path: "main.wasm" } }]);
});

test("refuses soft preferences and node variables of the batch example, each at its place", () => {
  const error = refusalOf(example("nightly-logs"));
  expect(error.reason).toBe("FEATURE_NOT_AVAILABLE");
  expect(error.violations.map(({ field, message }) => `${field} ${message}`)).toEqual([
    expect.stringMatching(/^job\.yaml:17:5 Soft preferences \(favour_…\) are not offered/u),
    expect.stringMatching(/^job\.yaml:32:7 Values from a node's own environment \(env:API_TOKEN\) are not offered/u),
  ]);
});

test.for([
  ["wasm-hello", ["Imported modules"]],
  ["disk-report", ["Jobs of type ops"]],
  ["web", ["Jobs of type service", "Network type Bridge", "Ports of the network"]],
  ["edge-agent", ["Jobs of type daemon"]],
] as const)("refuses the example %s by the features it needs, and nothing else", ([name, features]) => {
  const error = refusalOf(example(name));
  expect(error.reason).toBe("FEATURE_NOT_AVAILABLE");
  expect(error.violations.map(({ message }) => message)).toEqual(features.map((feature) => expect.stringContaining(feature)));
});

test("reports unknown fields of every level at once, with their places and the nearest name", () => {
  const text = [
    "Type: batch",
    "Cuont: 3",
    "Tasks:",
    "  - Engine:",
    "      Type: docker",
    "      Params:",
    "        Imagee: busybox",
    "    Resource: {CPU: 1}",
    "    Timeouts: {Total: 3}",
  ].join("\n");
  expect(problemsOf(text)).toEqual([
    '2:1 unknown field "Cuont" in the job; did you mean "Count"?',
    expect.stringMatching(/^6:7 the docker engine needs an Image/u),
    '7:9 unknown field "Imagee" in Params; did you mean "Image"?',
    '8:5 unknown field "Resource" in the job'.replace("the job", "Tasks[0]") + '; did you mean "Resources"?',
    expect.stringMatching(/^9:16 unknown field "Total" in Timeouts/u),
  ]);
});

test("reports wrong types with what was found and what is expected", () => {
  const text = `${minimal("    Env: [a]\n    ResultPaths: {Name: x}\n    Resources: {Memory: lots}\n")}Count: three\nPriority: 1.5\nName: 12\n`;
  expect(problemsOf(text)).toEqual([
    "4:5 Env must be a mapping, not a list.",
    "5:5 ResultPaths must be a list, not a mapping.",
    '6:17 Memory: "lots" is not a size such as 512MB, 1.5GiB or 4096.',
    '7:1 Count must be a whole number from 1 to 1000000, not "three".',
    "8:1 Priority must be a whole number from -100 to 100, not 1.5.",
    "9:1 Name must be text, not the number 12.",
  ]);
});

test("refuses fields that the cluster writes, repeated keys and missing parts", () => {
  expect(problemsOf(`ID: j-1\n${minimal("")}`)).toEqual(['1:1 field "ID" is written by the cluster; remove it.']);
  expect(problemsOf(`Count: 1\ncount: 2\n${minimal("")}`)).toEqual(['2:1 field "count" appears twice in the job']);
  expect(problemsOf("Name: x")).toEqual([expect.stringContaining('"Type" is missing'), expect.stringContaining('"Tasks" is missing')]);
  expect(problemsOf("")).toHaveLength(2);
});

test("refuses what YAML itself refuses, at its place", () => {
  expect(problemsOf("Type: batch\nTasks: [\n")).toEqual([expect.stringMatching(/^3:1 /u)]);
});

test("refuses files that grow when read: too large, too many aliases, aliases that contain themselves", () => {
  expect(refusalOf("#".repeat(2_000_000)).message).toMatch(/2000000 bytes/u);
  expect(refusalOf(`a: &a [x]\nb: [${"*a,".repeat(200)}]`).message).toMatch(/aliases/u);
  expect(problemsOf(`Type: batch\nTasks: &a [{Engine: *a}]`).length).toBeGreaterThan(0);
});

test("takes aliases of ordinary size", () => {
  const text = "Type: batch\nLabels: &l {team: a}\nMeta: *l\nTasks:\n  - Engine: {Type: docker, Params: {Image: busybox}}\n";
  expect(readJobFile({ text, fileName: "job.yaml" }).spec).toMatchObject({ labels: { team: "a" }, meta: { team: "a" } });
});

test("puts the server's refusals at their places in the file", () => {
  const { report } = readJobFile({ text: example("supported"), fileName: "job.yaml" });
  const located = report?.located(
    new DomainError("invalid", "SPEC_INVALID", "bad", {
      violations: [
        { field: "task.docker.image", message: "wrong", reason: "FIELD_INVALID" },
        { field: "task.env.MODE", message: "wrong", reason: "FIELD_INVALID" },
        { field: "task.inputs[1].target", message: "wrong", reason: "FIELD_INVALID" },
        { field: "constraints[1].values[0]", message: "wrong", reason: "FIELD_INVALID" },
      ],
    }),
  );
  expect(located?.violations.map(({ field, message }) => `${field} ${message}`)).toEqual([
    "job.yaml:16:9 Image: wrong",
    "job.yaml:20:32 EnvironmentVariables[0]: wrong",
    "job.yaml:26:9 InputSources[1]: wrong",
    "job.yaml:10:5 Constraints[1]: wrong",
  ]);
});

test("takes any text for a name, keeps it, and says what became of it", () => {
  const { spec, report } = readJobFile({ text: `Name: A simple Docker job\n${minimal("    Name: My main task\n")}`, fileName: "job.yaml" });
  expect(spec).toMatchObject({
    name: "a-simple-docker-job",
    meta: { "display-name": "A simple Docker job" },
    task: { name: "my-main-task" },
  });
  expect(report?.notes).toEqual([
    'job.yaml:1:1 Name: "A simple Docker job" is taken as the name a-simple-docker-job',
    'job.yaml:5:5 Name: "My main task" is taken as the name my-main-task',
  ]);
  const kept = readJobFile({ text: `Name: web-1.2\n${minimal("")}`, fileName: "job.yaml" });
  expect([kept.spec.name, kept.spec.meta, kept.report?.notes]).toEqual(["web-1.2", undefined, []]);
});

test("asks what was meant with one question mark", () => {
  const [problem] = problemsOf("Type: batch\nTasks: [{Engine: {Type: dokcer, Params: {Image: x}}}]\n");
  expect(problem).toMatch(/did you mean "docker"\?$/u);
});

test("reads inputs by content id and from jobs", () => {
  const inputs = (sources: string): readonly unknown[] =>
    readJobFile({ text: minimal(`    InputSources: [${sources}]\n`), fileName: "job.yaml" }).inputs.map(({ source }) => source);
  expect(
    inputs(
      "{Target: /a, Source: {Type: IPFS, Params: {CID: bafyx}}}, {Target: /b, Source: {Type: ipfs, Params: {CID: bafyx, Path: /sub/x/}}}, {Target: /c, Source: {Type: content, Params: {CID: bafyx}}}",
    ),
  ).toEqual([
    { type: "content", cid: "bafyx", path: "" },
    { type: "content", cid: "bafyx", path: "sub/x" },
    { type: "content", cid: "bafyx", path: "" },
  ]);
  expect(
    inputs(
      "{Target: /a, Source: {Type: job, Params: {Job: count}}}, {Target: /b, Source: {Type: job, Params: {Job: count, Output: words, Partition: 2}}}",
    ),
  ).toEqual([
    { type: "job", job: "count", output: "", partition: undefined },
    { type: "job", job: "count", output: "words", partition: 2 },
  ]);
  expect(problemsOf(minimal("    InputSources: [{Target: /a, Source: {Type: ipfs, Params: {Path: x}}}]\n"))[0]).toMatch(/need a CID/u);
  expect(problemsOf(minimal("    InputSources: [{Target: /a, Source: {Type: job, Params: {Output: x}}}]\n"))[0]).toMatch(/need a Job/u);
});
