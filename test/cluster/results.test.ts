import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CliResult } from "../kit/cli-process.ts";
import { aShellJob } from "../kit/a-job.ts";
import { expectInvariants } from "../kit/invariants.ts";
import { useCluster } from "../kit/use-cluster.ts";

const cluster = useCluster();

test("a job's result has its output, its exit code and its folders, and every byte is verified", async () => {
  const script =
    "echo out; echo err >&2; mkdir /data/deep; head -c 3000000 /dev/urandom > /data/deep/big; sha256sum /data/deep/big | cut -c1-64 > /data/sum";
  const jobId = await cluster().submit(aShellJob(script, { outputs: { data: "/data" } }));
  await cluster().waitForJob(jobId, "completed");
  const folder = await mkdtemp(join(cluster().folder, "got-"));
  const { code, stderr } = await cluster().runCli(["job", "get", jobId, "--to", folder]);
  expect(code).toBe(0);
  expect(stderr).toContain("verified");
  expect(await readFile(join(folder, "stdout"), "utf8")).toBe("out\n");
  expect(await readFile(join(folder, "stderr"), "utf8")).toBe("err\n");
  expect(await readFile(join(folder, "exitCode"), "utf8")).toBe("0");
  const big = await readFile(join(folder, "outputs", "data", "deep", "big"));
  expect(createHash("sha256").update(big).digest("hex")).toBe((await readFile(join(folder, "outputs", "data", "sum"), "utf8")).trim());
});

test("a failed job keeps what it wrote", async () => {
  const jobId = await cluster().submit(aShellJob("echo half > /data/file; echo so far; exit 3", { outputs: { data: "/data" } }));
  await cluster().waitForJob(jobId, "failed");
  const folder = await mkdtemp(join(cluster().folder, "failed-"));
  expect(await cluster().runCli(["job", "get", jobId, "--to", folder])).toMatchObject({ code: 0 });
  expect(await readFile(join(folder, "stdout"), "utf8")).toBe("so far\n");
  expect(await readFile(join(folder, "exitCode"), "utf8")).toBe("3");
  expect(await readFile(join(folder, "outputs", "data", "file"), "utf8")).toBe("half\n");
});

test("a result is never downloaded over what is there", async () => {
  const jobId = await cluster().submit(aShellJob("echo new"));
  await cluster().waitForJob(jobId, "completed");
  const folder = await mkdtemp(join(cluster().folder, "taken-"));
  await writeFile(join(folder, "stdout"), "mine");
  expect(await cluster().runCli(["job", "get", jobId, "--to", folder])).toMatchObject({ code: 8 });
  expect(await readFile(join(folder, "stdout"), "utf8")).toBe("mine");
  expect(await readdir(folder)).toEqual(["stdout"]);
});

test("bytes that were changed in the store are noticed, and nothing of them is kept", async () => {
  const jobId = await cluster().submit(aShellJob("head -c 500000 /dev/zero > /data/file", { outputs: { data: "/data" } }));
  await cluster().waitForJob(jobId, "completed");
  const [execution] = await cluster().executions(jobId);
  const stored = join(cluster().folder, "publisher", "store", "results", execution?.id ?? "", "outputs", "data", "file");
  await chmod(stored, 0o600);
  await writeFile(stored, Buffer.alloc(500_000, 1));
  const folder = await mkdtemp(join(cluster().folder, "changed-"));
  const { code, stderr } = await cluster().runCli(["job", "get", jobId, "--to", folder]);
  expect(code).toBe(1);
  expect(stderr).toContain("RESULT_CORRUPT");
  expect(await readdir(join(folder, "outputs", "data"))).toEqual([]);
});

test("a second download fetches nothing, --verify names what differs, and --overwrite makes it good", async () => {
  const script = "mkdir /data/deep; head -c 5000000 /dev/urandom > /data/deep/big; echo a > /data/a; echo b > /data/b";
  const jobId = await cluster().submit(aShellJob(script, { outputs: { data: "/data" } }));
  await cluster().waitForJob(jobId, "completed");
  const folder = await mkdtemp(join(cluster().folder, "again-"));
  const get = (...more: string[]): Promise<CliResult> => cluster().runCli(["job", "get", jobId, "--to", folder, ...more]);
  expect(await get()).toMatchObject({ code: 0 });
  const again = await get("-o", "json");
  expect(JSON.parse(again.stdout)).toMatchObject({ files: 6, keptFiles: 6, sizeBytes: 5_000_005, keptBytes: 5_000_005 });
  expect(await get("--verify")).toMatchObject({ code: 0, stdout: "" });
  const data = join(folder, "outputs", "data");
  const bytes = await readFile(join(data, "deep", "big"));
  bytes[3_000_000] = (bytes[3_000_000] ?? 0) ^ 1;
  await writeFile(join(data, "deep", "big"), bytes);
  await rm(join(data, "a"));
  await writeFile(join(data, "new"), "");
  const differing = await get("--verify");
  expect({ code: differing.code, lines: differing.stdout.trim().split("\n").toSorted() }).toEqual({
    code: 1,
    lines: ["changed  outputs/data/deep/big", "extra    outputs/data/new", "missing  outputs/data/a"],
  });
  expect(await get()).toMatchObject({ code: 8 });
  expect(JSON.parse((await get("--overwrite", "-o", "json")).stdout)).toMatchObject({
    files: 6,
    keptFiles: 4,
    keptBytes: 5_000_003 - 1_048_576,
  });
  await rm(join(data, "new"));
  expect(await get("--verify")).toMatchObject({ code: 0 });
});

test("several parts come into folders of their own; a part, an output or both can be chosen", async () => {
  const script = 'echo "$SKREI_PARTITION_INDEX" > /one/n; echo two > /two/n';
  const jobId = await cluster().submit(aShellJob(script, { count: 3, outputs: { one: "/one", two: "/two" } }));
  await cluster().waitForJob(jobId, "completed");
  const folder = await mkdtemp(join(cluster().folder, "parts-"));
  const get = (to: string, ...more: string[]): Promise<CliResult> =>
    cluster().runCli(["job", "get", jobId, "--to", join(folder, to), ...more]);
  expect(await get("all")).toMatchObject({ code: 0 });
  expect(await readdir(join(folder, "all"))).toEqual(["0", "1", "2"]);
  expect(await get("all", "--verify")).toMatchObject({ code: 0 });
  expect(await get("one", "--partition", "1", "--output", "one")).toMatchObject({ code: 0 });
  expect(await readdir(join(folder, "one"), { recursive: true })).toEqual(["1", "1/one", "1/one/n"]);
  expect(await get("no", "--partition", "7")).toMatchObject({ code: 3, stderr: expect.stringContaining("Part 7") });
  expect(await get("no", "--output", "three")).toMatchObject({ code: 3, stderr: expect.stringContaining("Its outputs: one, two") });
});

test("run --get puts the result there and leaves stdout to the job", async () => {
  const to = join(await mkdtemp(join(cluster().folder, "run-")), "got");
  const { code, stdout, stderr } = await cluster().runCli(["docker", "run", "-q", "--get", to, "busybox", "--", "echo", "hello"]);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "hello\n", stderr: "" });
  expect(await readFile(join(to, "stdout"), "utf8")).toBe("hello\n");
});

test("run --get of a job that has no result tells why the job failed, not that a result is missing", async () => {
  const to = join(cluster().folder, "nothing");
  const { code, stderr } = await cluster().runCli(["docker", "run", "--get", to, "busybox", "--", "no-such-command"]);
  expect(code).toBe(1);
  expect(stderr).toContain("COMMAND_NOT_FOUND");
});

test("a folder that is uploaded is read by the job as it was here", async () => {
  const source = await mkdtemp(join(cluster().folder, "upload-"));
  await mkdir(join(source, "deep"));
  await writeFile(join(source, "deep", "big"), Buffer.alloc(2_500_000, 7));
  await writeFile(join(source, "small"), "hello from here");
  const { code, stdout, stderr } = await cluster().runCli([
    "docker",
    "run",
    "-i",
    `${source}:/in`,
    "busybox",
    "--",
    "sh",
    "-c",
    "cat /in/small; wc -c < /in/deep/big; echo x > /in/small || true",
  ]);
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: "hello from here2500000\n" });
});

test("the result of one job is the input of another", async () => {
  const first = await cluster().submit(aShellJob("echo from the first > /data/file", { outputs: { data: "/data" } }));
  await cluster().waitForJob(first, "completed");
  const [execution] = await cluster().executions(first);
  const { code, stdout, stderr } = await cluster().runCli([
    "docker",
    "run",
    "-i",
    `cid:${execution?.resultCid ?? ""}:/in`,
    "busybox",
    "--",
    "cat",
    "/in/outputs/data/file",
  ]);
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: "from the first\n" });
});

test("leaves nothing of all that behind", async () => {
  await expectInvariants(cluster());
});
