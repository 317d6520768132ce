import { expect, test } from "vitest";
import { aJob, aShellJob } from "../kit/a-job.ts";
import { eventually } from "../kit/eventually.ts";
import { freePort } from "../kit/free-port.ts";
import { expectInvariants } from "../kit/invariants.ts";
import { startEmptyRegistry } from "../kit/empty-registry.ts";
import { useCluster } from "../kit/use-cluster.ts";

const cluster = useCluster();

test("prints what the container prints to stdout, and nothing else there, and exits 0", async () => {
  const { code, stdout, stderr } = await cluster().runCli(["docker", "run", "busybox", "--", "echo", "hello"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "hello\n" });
  expect(stderr).toContain("Done in");
});

test("keeps stdout and stderr of the task apart, byte by byte", async () => {
  const { code, stdout, stderr } = await cluster().runCli([
    "docker",
    "run",
    "-q",
    "busybox",
    "--",
    "sh",
    "-c",
    "printf 'a\\0b'; printf err >&2",
  ]);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "a\0b", stderr: "err" });
});

test("fails when the task exits with another code than 0, and shows the code and the last words", async () => {
  const { code, stdout, stderr } = await cluster().runCli([
    "docker",
    "run",
    "busybox",
    "--",
    "sh",
    "-c",
    "echo the disk is round >&2; exit 7",
  ]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("exit code 7");
  expect(stderr).toContain("the disk is round");
  expect(stderr).toContain("EXIT_NONZERO");
});

test("exits with the task's own code when asked to", async () => {
  expect(await cluster().runCli(["docker", "run", "--exit-code", "busybox", "--", "sh", "-c", "exit 7"])).toMatchObject({ code: 7 });
});

test("says which command the image does not have, once, without trying again", async () => {
  const { code, stderr } = await cluster().runCli(["docker", "run", "busybox", "--", "no-such-command"]);
  expect(code).toBe(1);
  expect(stderr).toContain("COMMAND_NOT_FOUND");
  expect(stderr).toContain("no-such-command");
  expect(stderr).not.toContain("attempt 2");
});

test("says that the image does not exist, once, without trying again", async () => {
  await using registry = await startEmptyRegistry();
  const image = `${registry.host}/no-such-image`;
  const { code, stderr } = await cluster().runCli(["docker", "run", image, "--", "true"]);
  expect(code).toBe(1);
  expect(stderr).toContain("IMAGE_NOT_FOUND");
  expect(stderr).toContain(image);
});

test("an image that cannot be pulled is tried on the other node, and when none can the job fails with their answer", async () => {
  const jobId = await cluster().submit(aJob({ image: `127.0.0.1:${await freePort()}/unreachable` }));
  const job = await cluster().waitForJob(jobId, "failed", { withinMs: 60_000 });
  expect(job.failure).toMatchObject({ reason: "IMAGE_PULL_FAILED", message: expect.stringContaining("tried 3 times on 2 nodes") });
  const [first, second] = await cluster().executions(jobId);
  expect(first).toMatchObject({ state: "rejected", failure: { class: "infrastructure", reason: "IMAGE_PULL_FAILED" } });
  expect(second?.nodeId).not.toBe(first?.nodeId);
});

test("shows output while it is written and ends when the job is stopped", async () => {
  const jobId = await cluster().submit(aShellJob("n=0; while :; do n=$((n+1)); echo line $n; sleep 0.2; done"));
  await using following = cluster().startCli(["job", "logs", jobId, "--follow"]);
  await eventually(following.stdout, (text) => text.includes("line 3\n"), { withinMs: 30_000 });
  expect(await cluster().job(jobId)).toMatchObject({ state: "running" });
  const stopped = await cluster().runCli(["job", "stop", jobId, "--wait"]);
  expect(stopped).toMatchObject({ code: 0 });
  expect(stopped.stderr).toContain(`${jobId} is stopped`);
  const { stdout } = await following.done;
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toEqual(lines.map((_, index) => `line ${index + 1}`));
});

test("stopping a job twice changes nothing, and its name is as good as its id", async () => {
  const jobId = await cluster().submit(aShellJob("sleep 600", { name: "long-one" }));
  await cluster().runningExecution(jobId);
  expect(await cluster().runCli(["job", "stop", "long-one", "--wait"])).toMatchObject({ code: 0 });
  const again = await cluster().runCli(["job", "stop", jobId]);
  expect(again).toMatchObject({ code: 0 });
  expect(again.stderr).toContain("nothing to stop");
});

test("retries on the other node what failed on the first", async () => {
  const jobId = await cluster().submit(aShellJob("exit 9", { retry: { maxAttempts: 2, retryExitCodes: [9] } }));
  const job = await cluster().waitForJob(jobId, "failed");
  expect(job).toMatchObject({ exitCode: 9, failure: { class: "user", reason: "EXIT_NONZERO" } });
  const executions = await cluster().executions(jobId);
  expect(executions.map(({ attempt, state }) => ({ attempt, state }))).toEqual([
    { attempt: 1, state: "failed" },
    { attempt: 2, state: "failed" },
  ]);
  expect(new Set(executions.map(({ nodeId }) => nodeId)).size).toBe(2);
});

test("leaves nothing of all that behind", async () => {
  await expectInvariants(cluster());
});
