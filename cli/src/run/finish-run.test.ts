import { create } from "@bufbuild/protobuf";
import { ExecutionSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { HostUseSchema } from "@skrei/proto/skrei/execution/v1/network_use_pb.ts";
import { Job_State, JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { expect, test } from "vitest";
import { ExitError } from "../exit-code.ts";
import { createTestTerminal } from "../test-terminal.ts";
import { finishRun } from "./finish-run.ts";

type Host = Parameters<typeof create<typeof HostUseSchema>>[1] & object;

async function finished(state: Job_State, host: Host): Promise<string> {
  const terminal = createTestTerminal();
  const job = create(JobSchema, { jobId: "j-1", version: 1, state });
  const use = { hosts: [create(HostUseSchema, host)], requests: host.requests ?? 0n, denied: host.denied ?? 0n };
  const executions = [create(ExecutionSchema, { executionId: "e-1", jobVersion: 1, networkUse: use })];
  const followed = { job, executions, lastErrors: [], isUnplaceable: false };
  await finishRun({ terminal }, followed, { isQuiet: false, returnsExitCode: false }).catch((error: unknown) => {
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
  expect(await finished(Job_State.FAILED, down)).toMatch(
    /^ {2}net: a\.org: a\.org did not accept .* in time\n look: skrei net list j-1$/mu,
  );
  expect(await finished(Job_State.FAILED, refused)).toMatch(/^ look: skrei net explain http:\/\/a\.org:81 --job j-1$/mu);
});
