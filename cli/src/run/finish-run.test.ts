import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromJson } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import { ExecutionSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { HostUseSchema } from "@skrei/proto/skrei/execution/v1/network_use_pb.ts";
import { Job_State, JobSchema, WaitingSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { expect, onTestFinished, test } from "vitest";
import { writeDevContext } from "../client/dev-context.ts";
import { ExitError } from "../exit-code.ts";
import { createTestTerminal } from "../test-terminal.ts";
import { finishRun } from "./finish-run.ts";
import { adviseWaiting, describeReasons } from "./advise-waiting.ts";

const settings = { server: "http://127.0.0.1:1", token: undefined, origin: "--server", isVerbose: false };

type Host = Parameters<typeof create<typeof HostUseSchema>>[1] & object;

async function finished(state: Job_State, host: Host): Promise<string> {
  const terminal = createTestTerminal();
  const job = create(JobSchema, { jobId: "j-1", version: 1, state });
  const use = { hosts: [create(HostUseSchema, host)], requests: host.requests ?? 0n, denied: host.denied ?? 0n };
  const executions = [create(ExecutionSchema, { executionId: "e-1", jobVersion: 1, networkUse: use })];
  const followed = { job, executions, lastErrors: [], isUnplaceable: false };
  await finishRun({ terminal, settings }, followed, { isQuiet: false, returnsExitCode: false }).catch((error: unknown) => {
    if (!(error instanceof ExitError)) throw error;
  });
  return terminal.written.stderr;
}

const refused = { host: "a.org", requests: 1n, denied: 6n, reason: "EGRESS_PORT_DENIED", message: "Port 81 of a.org is none that counts." };

test("says of a job that completed how many requests were refused, why, and what shows it again", async () => {
  expect(await finished(Job_State.COMPLETED, refused)).toMatch(
    /^ {2}net {4}6 of 7 requests were refused \(6 requests to a\.org: Port 81 of .*\): skrei net explain http:\/\/a\.org:81 --job j-1$/mu,
  );
  expect(await finished(Job_State.COMPLETED, { host: "a.org", requests: 1n })).not.toMatch(/net/u);
});

test("says of a job that failed which host failed it", async () => {
  const down = { host: "a.org", requests: 1n, reason: "EGRESS_ORIGIN_TIMEOUT", message: "a.org did not accept the connection in time." };
  expect(await finished(Job_State.FAILED, down)).toMatch(/^ {2}net: a\.org did not accept .* in time\n look: skrei net list j-1$/mu);
  expect(await finished(Job_State.FAILED, refused)).toMatch(/^ look: skrei net explain http:\/\/a\.org:81 --job j-1$/mu);
});

test("says where the targets have the results, of a few parts", async () => {
  const terminal = createTestTerminal();
  const job = create(JobSchema, { jobId: "j-1", version: 2, state: Job_State.COMPLETED });
  const executions = [
    create(ExecutionSchema, { executionId: "e-0", jobVersion: 1, attempt: 1, deliveryUrl: "s3://old/0" }),
    create(ExecutionSchema, { executionId: "e-9", jobVersion: 2, partition: 5, attempt: 1 }),
    ...[4, 3, 2, 1, 0].map((partition) =>
      create(ExecutionSchema, {
        executionId: `e-${partition}`,
        jobVersion: 2,
        partition,
        attempt: 1,
        deliveryUrl: `s3://b/${partition}\n`,
      }),
    ),
  ];
  await finishRun(
    { terminal, settings },
    { job, executions, lastErrors: [], isUnplaceable: false },
    { isQuiet: false, returnsExitCode: false },
  );
  expect(terminal.written.stderr).toMatch(
    /^Done in .*\n {2}sent {3}s3:\/\/b\/0\S*\n {9}s3:\/\/b\/1\S*\n {9}s3:\/\/b\/2\S*\n {9}and 2 more: skrei job results j-1\n {2}files /u,
  );
});

test("says once why no node can run a job, that it waits, and what would allow it", async () => {
  const terminal = createTestTerminal();
  const reasons = [{ reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: "This node does not allow a.org.", nodes: 2 }];
  const network = { mode: Network_Mode.HTTP, domains: ["a.org"] };
  const job = create(JobSchema, {
    jobId: "j-1",
    waiting: { partitions: 1, nodes: 2, reasons, impossible: true },
    spec: { task: { network } },
  });
  const followed = { job, executions: [], lastErrors: [], isUnplaceable: true };
  const finish = finishRun({ terminal, settings }, followed, { isQuiet: false, returnsExitCode: false });
  await expect(finish).rejects.toMatchObject({ code: 6 });
  expect(terminal.written.stderr).toBe(`error: No node can run this job as the cluster stands; it waits for one that can
 code: NETWORK_DOMAIN_NOT_ALLOWED · j-1
  fix: Allow it with \`modes: [none, http]\` and \`domains: [a.org]\` in the policy of a node, which its operator writes; the job starts as soon as that counts; to drop it: skrei job stop j-1
`);
});

test("tells who runs skrei dev where to allow it", async () => {
  const home = await mkdtemp(join(tmpdir(), "skrei-home-"));
  onTestFinished(() => rm(home, { recursive: true }));
  await writeDevContext(join(home, "skrei"), { server: settings.server, startedAtMs: 1 });
  const waiting = create(WaitingSchema, { reasons: [{ reason: "NETWORK_MODE_NOT_OFFERED", nodes: 1 }], impossible: true });
  const terminal = createTestTerminal({ env: { XDG_CONFIG_HOME: home } });
  expect(await adviseWaiting({ settings, terminal }, { waiting })).toEqual({
    code: "NETWORK_MODE_NOT_OFFERED",
    fix: "allow it with `modes: [none, full]` in the file of skrei dev --network-policy FILE; the job starts as soon as that counts",
  });
});

test.for([
  [
    "TARGET_NOT_OFFERED",
    { publisher: { type: "TYPE_S3", s3: { bucket: "out", key: "k", endpoint: "http://s3.lan" } } },
    /s3Endpoint \(http:\/\/s3\.lan\), s3AccessKeyId and s3SecretAccessKey, with out among s3Buckets/u,
  ],
  ["TARGET_NOT_OFFERED", { publisher: { type: "TYPE_IPFS" } }, /ipfsRpcUrl of a node's publisher, or leave the publisher out/u],
  ["TARGET_NOT_OFFERED", { publisher: { type: "TYPE_LOCAL", local: { path: "/srv/x" } } }, /publishFolders \(a folder above \/srv\/x\)/u],
  [
    "SOURCE_NOT_ALLOWED",
    { inputs: [{ local: { path: "/d", writable: true } }] },
    /allowedLocalPaths \(\/d:rw, or a folder above\) of a node's storage-fetcher/u,
  ],
  [
    "SOURCE_ACCESS_DENIED",
    { inputs: [{ s3: { bucket: "b" } }] },
    /s3AccessKeyId and s3SecretAccessKey of a node's storage-fetcher.*may read s3:\/\/b/u,
  ],
  ["SOURCE_UNREACHABLE", { inputs: [{ s3: { bucket: "b" } }] }, /correct the input.*it starts/u],
  ["SOURCE_NOT_ALLOWED", { inputs: [{ s3: { bucket: "b" } }] }, /s3Endpoint and s3Buckets or allowedPrivateCidrs/u],
] as const)("says for %s what the operator must set", async ([reason, task, fix]) => {
  const job = fromJson(
    JobSchema,
    JSON.parse(
      JSON.stringify({
        spec: { task },
        waiting: { reasons: [{ reason, nodes: 1 }], impossible: true },
      }),
    ) as JsonValue,
  );
  expect((await adviseWaiting({ settings, terminal: createTestTerminal() }, job)).fix).toMatch(fix);
});

test("counts nodes of a wait only where it is theirs", () => {
  const reasons = [
    { reason: "RETRY_BACKOFF", message: "1 partition waits before its next attempt at noon.", nodes: 0 },
    { reason: "NODE_DRAINING", message: "This node drains.", nodes: 2 },
  ];
  expect(describeReasons(create(WaitingSchema, { reasons }))).toBe(
    "1 partition waits before its next attempt at noon; 2 × this node drains",
  );
});
