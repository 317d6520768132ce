import { create, toJson } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { expect, test } from "vitest";
import type { JobDraft } from "./job-draft.ts";
import { readJobFile } from "./read-job-file.ts";

const read = (network: string): JobDraft =>
  readJobFile({ text: `Type: batch\nTasks:\n- Engine: {Type: docker, Params: {Image: busybox}}\n  ${network}\n`, fileName: "job.yaml" });

function networkOf(text: string): unknown {
  const { spec } = read(text);
  return (toJson(JobSpecSchema, create(JobSpecSchema, spec)) as { task: { network: unknown } }).task.network;
}

/** `line:column message`, one a problem. */
function problemsOf(text: string): readonly string[] {
  try {
    read(text);
  } catch (error) {
    if (error instanceof DomainError) return error.violations.map(({ field, message }) => `${field.replace("job.yaml:", "")} ${message}`);
    throw error;
  }
  throw new Error("the job was accepted");
}

const HTTP = { mode: "MODE_HTTP", domains: ["a.example.com", ".b.org"] };

test.for([
  ["Network: {Type: HTTP, Domains: [a.example.com, .b.org]}", HTTP],
  ["network: {type: http, domains: [a.example.com, .b.org]}", HTTP],
  ["network: {http: [a.example.com, .b.org]}", HTTP],
  ["Network: {HTTP: [a.example.com, .b.org], EgressBytesMax: 10MB}", { ...HTTP, egressBytesMax: "10000000" }],
  ["network: {http: [a.example.com, .b.org], egressBytesMax: 1MiB}", { ...HTTP, egressBytesMax: "1048576" }],
  ["Network: {Type: Full}", { mode: "MODE_FULL" }],
  ["Network: {Type: host, Domains: []}", { mode: "MODE_FULL" }],
  ["network: full", { mode: "MODE_FULL" }],
  ["network: None", { mode: "MODE_NONE" }],
  ["Network: {Type: none, Domains: null, Ports: []}", { mode: "MODE_NONE" }],
  ["Network: {}", { mode: "MODE_NONE" }],
  ["Network:", { mode: "MODE_NONE" }],
] as const)("reads %s", ([text, network]) => {
  expect(networkOf(text)).toEqual(network);
});

test("says that Default is no network here", () => {
  const { report } = read("Network: {Type: Default}");
  expect(report?.notes).toEqual(["job.yaml:4:13 Type: Default is taken as None: a job has no network here unless it asks for one"]);
});

test.for([
  ["Network: {Type: HTTP}", "4:13 the network http needs a list: {http: [api.example.com, .example.org]}."],
  ["Network: http", "4:3 the network http needs a list: {http: [api.example.com, .example.org]}."],
  ["Network: {http: []}", "4:13 the network http needs a list: {http: [api.example.com, .example.org]}."],
  ["Network: {Type: None, Domains: [a.org]}", "4:25 Domains go with Type HTTP."],
  ["Network: {Domains: [a.org]}", "4:13 Domains go with Type HTTP."],
  ["Network: {Type: Full, Domains: [a.org]}", "4:25 Domains go with Type HTTP."],
  ["Network: {Type: Full, EgressBytesMax: 1MB}", "4:25 EgressBytesMax goes with Type HTTP."],
  ["Network: {Type: HTTP, http: [a.org]}", "4:25 give Type with Domains, or http with its list, not both."],
  ["Network: {Domains: [a.org], http: [a.org]}", "4:31 give Type with Domains, or http with its list, not both."],
  ["Network: {http: [a.org], EgressBytesMax: lots}", '4:28 EgressBytesMax: "lots" is not a size such as 512MB, 1.5GiB or 4096.'],
  ["Network: {http: [1]}", "4:20 http[0] must be text, not the number 1."],
  ["Network: {Type: Htpp, Domains: [a.org]}", '4:13 unknown network type "Htpp"; did you mean "HTTP"?'],
  ["Network: {Tpye: HTTP}", '4:13 unknown field "Tpye" in Network; did you mean "Type"?'],
  ["Network: {Hosts: [a.org]}", '4:13 unknown field "Hosts" in Network; expected Type, Domains, http, EgressBytesMax, Ports'],
  ["Network: wide", '4:3 unknown network type "wide"; expected None, HTTP, Full.'],
  ["Network: [a.org]", "4:3 the network is a list without a type; hosts are written {http: [api.example.com]}."],
] as const)("refuses %s at its place", ([text, problem]) => {
  expect(problemsOf(text)).toEqual([problem]);
});

test("refuses what lets others in", () => {
  expect(problemsOf("Network: {Type: Bridge, Ports: [{Name: http, Target: 80}]}")).toEqual([
    expect.stringMatching(/^4:13 Network type Bridge is not offered by this version\..*None, HTTP and Full/u),
    expect.stringMatching(/^4:27 Ports of the network are not offered/u),
  ]);
});

test("puts the cluster's refusal of a host at its place in the file", () => {
  const { report } = read("network: {http: [a.org, '*.b.org']}");
  const violations = [{ field: "task.network.domains[1]", message: "has a wildcard", reason: "FIELD_INVALID" as const }];
  const located = report?.located(new DomainError("invalid", "SPEC_INVALID", "bad", { violations }));
  expect(located?.violations).toMatchObject([{ field: "job.yaml:4:27", message: "http[1]: has a wildcard" }]);
});
