import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { expect, test } from "vitest";
import { createCluster } from "../client/cluster.ts";
import { createTestTerminal } from "../test-terminal.ts";
import { warnUnplaceable } from "./await-placing.ts";

const settings = { server: "http://127.0.0.1:1", token: undefined, origin: "--server", isVerbose: false };
const reasons = [{ reason: "NETWORK_MODE_NOT_OFFERED", message: "This node does not offer full.", nodes: 2 }];
const fresh = create(JobSchema, { jobId: "j-1", partitions: { waiting: 1 } });
const impossible = create(JobSchema, { jobId: "j-1", waiting: { partitions: 1, nodes: 2, reasons, impossible: true } });
const placed = create(JobSchema, { jobId: "j-1", partitions: { running: 1 } });

async function said(...states: readonly Job[]): Promise<string> {
  const left = [...states];
  const transport = createRouterTransport(({ service }) => {
    service(JobService, { getJob: () => ({ job: left.length > 1 ? left.shift() : left[0] }) });
  });
  const terminal = createTestTerminal();
  const cluster = { ...createCluster(settings, () => undefined), jobs: createClient(JobService, transport) };
  await warnUnplaceable({ terminal, settings, cluster, signal: new AbortController().signal }, fresh);
  return terminal.written.stderr;
}

test("who submits and leaves is told that no node can run the job, and what would allow it", async () => {
  expect(await said(fresh, impossible)).toMatch(
    /^note: no node can run it as the cluster stands; waiting: .*2 × this node does not offer full\n {2}fix: Allow it with /u,
  );
});

test("says nothing of a job that is placed, or that nobody has looked at in time", async () => {
  expect(await said(fresh, placed)).toBe("");
  expect(await said(fresh)).toBe("");
});
