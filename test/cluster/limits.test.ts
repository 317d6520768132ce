import { mkdtemp, readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { LIMITS } from "@skrei/domain";
import { expect, test } from "vitest";
import { aShellJob } from "../kit/a-job.ts";
import { expectInvariants } from "../kit/invariants.ts";
import { useCluster } from "../kit/use-cluster.ts";

const MIB = 1_024 * 1_024;
const cluster = useCluster();

test("a task that takes more memory than it may is ended for that reason", async () => {
  const script = "x=$(head -c 64000000 /dev/zero | tr '\\0' x); echo ${#x}";
  const { code, stderr } = await cluster().runCli(["docker", "run", "--memory", "16MB", "busybox", "--", "sh", "-c", script]);
  expect(code).toBe(1);
  expect(stderr).toContain("OUT_OF_MEMORY");
});

test("output beyond the limit is dropped and said to be, and the job goes on to its end", async () => {
  const { code, stderr } = await cluster().runCli([
    "docker",
    "run",
    "--cpu",
    "1",
    "busybox",
    "--",
    "sh",
    "-c",
    "head -c 70000000 /dev/zero; echo after >&2",
  ]);
  expect(code).toBe(0);
  expect(stderr).toContain("wrote more than is kept");
});

test("endless output ends with the execution's time, and what is kept is within the limit", async () => {
  const jobId = await cluster().submit(aShellJob("yes", { executionTimeoutMs: 3_000, retry: { maxAttempts: 1 } }));
  const job = await cluster().waitForJob(jobId, "failed", { withinMs: 90_000 });
  expect(job.failure).toMatchObject({ class: "resource", reason: "EXECUTION_TIMEOUT" });
  const folder = await mkdtemp(join(cluster().folder, "endless-"));
  expect(await cluster().runCli(["job", "get", jobId, "--to", folder])).toMatchObject({ code: 0 });
  const { size } = await stat(join(folder, "stdout"));
  expect(size).toBeGreaterThan(0);
  expect(size).toBeLessThanOrEqual(LIMITS.outputBytesMax);
});

test("an execution that runs longer than it may is ended, and the reason says how long that was", async () => {
  const { code, stderr } = await cluster().runCli([
    "docker",
    "run",
    "--execution-timeout",
    "1s",
    "--attempts",
    "1",
    "busybox",
    "--",
    "sleep",
    "600",
  ]);
  expect(code).toBe(1);
  expect(stderr).toContain("EXECUTION_TIMEOUT");
  expect(stderr).toMatch(/\b1(\.0)? ?s|1000 ?ms/u);
});

test("a task that writes more than its disk is ended for that reason", async () => {
  const jobId = await cluster().submit(
    aShellJob("dd if=/dev/zero of=/out/a bs=1M count=6; dd if=/dev/zero of=/out/b bs=1M count=6; sleep 600", {
      outputs: { out: "/out" },
      diskBytes: 8 * MIB,
      retry: { maxAttempts: 1 },
    }),
  );
  expect((await cluster().waitForJob(jobId, "failed", { withinMs: 60_000 })).failure).toMatchObject({
    class: "resource",
    reason: "OUT_OF_DISK",
  });
});

test.each(["..:/out", "../up:/out", "a/b:/out", ".:/out"])("refuses the output %s before anything is submitted", async (output) => {
  const { code, stderr } = await cluster().runCli(["docker", "run", "-o", output, "busybox", "--", "true"]);
  expect(code).toBe(2);
  expect(stderr).toContain(output.split(":")[0]);
});

test("the scheduler refuses an output name with .. whatever the client checked", async () => {
  const refusal = await cluster()
    .submit(aShellJob("true", { outputs: { "../up": "/out" } }))
    .catch((error: unknown) => error);
  expect(refusal).toMatchObject({ kind: "invalid", reason: "SPEC_INVALID" });
});

test("links in outputs reach nothing of the host, neither in the result nor where it is downloaded", async () => {
  const script = "ln -s /etc/passwd /out/host; ln -s ../../../../../../etc/passwd /out/up; ln -s kept /out/link; echo inside > /out/kept";
  const jobId = await cluster().submit(aShellJob(script, { outputs: { out: "/out" } }));
  await cluster().waitForJob(jobId, "completed");
  const folder = await mkdtemp(join(cluster().folder, "links-"));
  const { code, stderr } = await cluster().runCli(["job", "get", jobId, "--to", folder]);
  expect(code).toBe(0);
  expect(await readdir(join(folder, "outputs", "out"))).toEqual(["kept", "link"]);
  expect(await readlink(join(folder, "outputs", "out", "link"))).toBe("kept");
  expect(await readFile(join(folder, "outputs", "out", "link"), "utf8")).toBe("inside\n");
  expect(stderr).toContain("host");
  expect(stderr).toContain("up");
});

test("a job that waits says why: each node's reason with its numbers, and goes on when there is room", async () => {
  const big = { cpuMillis: 4_000 };
  const holders = [await cluster().submit(aShellJob("sleep 600", big)), await cluster().submit(aShellJob("sleep 600", big))];
  for (const jobId of holders) await cluster().runningExecution(jobId);
  const waits = await cluster().submit(aShellJob("true", big));
  const queued = await cluster().waitForJob(waits, "queued");
  expect(queued.waiting).toMatchObject({ partitions: 1, nodes: 2, isImpossible: false, reasons: [{ reason: "CAPACITY_BUSY", nodes: 2 }] });
  expect(queued.waiting?.reasons[0]?.message).toMatch(/4/u);
  expect((await cluster().runCli(["job", "describe", waits])).stdout).toContain("2 ×");
  await cluster().jobs.stopJob({ jobId: holders[0] ?? "" });
  await cluster().waitForJob(waits, "completed");
  await cluster().jobs.stopJob({ jobId: holders[1] ?? "" });
});

test("a job that no node can ever run says so at once, and the command comes back", async () => {
  const { code, stderr } = await cluster().runCli(["docker", "run", "--cpu", "64", "busybox", "--", "true"]);
  expect(code).toBe(6);
  expect(stderr).toContain("CAPACITY_TOO_SMALL");
  const [, jobId = ""] = /(j-[0-9a-z]{26})/u.exec(stderr) ?? [];
  await cluster().jobs.stopJob({ jobId });
});

test("a job that finds no node in its time fails for that reason", async () => {
  const { code, stderr } = await cluster().runCli([
    "docker",
    "run",
    "--where",
    "zone=moon",
    "--queue-timeout",
    "1s",
    "busybox",
    "--",
    "true",
  ]);
  expect(code).toBe(1);
  expect(stderr).toContain("QUEUE_TIMEOUT");
});

test("leaves nothing of all that behind", async () => {
  await expectInvariants(cluster());
});
