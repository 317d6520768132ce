import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { useCluster } from "../kit/use-cluster.ts";

const cluster = useCluster({ nodes: 1 });
const run = promisify(execFile);
const task = {
  docker: { image: "busybox", parameters: ["echo", "hi"] },
  resources: { cpuMillis: 100, memoryBytes: 67_108_864, diskBytes: 67_108_864 },
};

interface JobAnswer {
  readonly job: { readonly jobId: string; readonly state: string; readonly exitCode?: number };
}

test("curl submits a job as JSON, sees it end and lists its results", async () => {
  const { job } = (await curl("skrei.job.v1.JobService/SubmitJob", { spec: { task } })) as JobAnswer;
  expect(job.jobId).toMatch(/^j-[0-9a-z]{26}$/u);
  await cluster().waitForJob(job.jobId, "completed");
  expect(await curl("skrei.job.v1.JobService/GetJob", { jobId: job.jobId })).toMatchObject({
    job: { state: "STATE_COMPLETED", exitCode: 0 },
  });
  expect(await curl("skrei.data.v1.ResultService/ListResults", { jobId: job.jobId })).toMatchObject({
    results: [{ accepted: true, cid: expect.stringMatching(/^baf/u) as string }],
  });
});

test("curl gets all problems of a spec at once, with their places", async () => {
  const answer = await curl("skrei.job.v1.JobService/SubmitJob", { spec: { count: -1, task: { docker: { image: "" } } } });
  expect(answer).toMatchObject({ code: "invalid_argument" });
  const text = JSON.stringify(answer);
  expect(text).toContain("count");
  expect(text).toContain("image");
});

test("curl reads with GET, as the methods without side effects allow", async () => {
  const query = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}" });
  const { stdout } = await run("curl", ["--silent", "--fail", `${cluster().url}/skrei.node.v1.NodeService/ListNodes?${query.toString()}`]);
  expect(JSON.parse(stdout)).toMatchObject({ nodes: [{ name: "node-1" }] });
});

test.each(["connect", "grpc", "grpcweb"])("buf curl submits, watches and gets over %s, knowing only the address", async (protocol) => {
  const submitted = (await buf(protocol, "skrei.job.v1.JobService/SubmitJob", { spec: { task } }))[0] as JobAnswer;
  const { jobId } = submitted.job;
  await cluster().waitForJob(jobId, "completed");
  const logs = (await buf(protocol, "skrei.job.v1.JobService/StreamLogs", { jobId })) as { data?: string }[];
  expect(Buffer.from(logs.map(({ data = "" }) => data).join(""), "base64").toString()).toBe("hi\n");
  expect(await buf(protocol, "skrei.job.v1.JobService/GetJob", { jobId })).toMatchObject([{ job: { jobId, state: "STATE_COMPLETED" } }]);
  const [snapshot] = (await watch(protocol, jobId)) as { jobs: JobAnswer["job"][] }[];
  expect(snapshot?.jobs).toMatchObject([{ jobId, state: "STATE_COMPLETED" }]);
});

test.each(["connect", "grpc", "grpcweb"])("an error over %s carries its reason and its hint", async (protocol) => {
  const failed = await buf(protocol, "skrei.job.v1.JobService/GetJob", { jobId: "j-00000000000000000000000000" }).then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: unknown) => (error as { stderr: string }).stderr,
  );
  const { code, details } = JSON.parse(failed) as { code: string; details: { type: string; value: string }[] };
  expect(code).toBe("not_found");
  const info = details.find(({ type }) => type === "google.rpc.ErrorInfo");
  const text = Buffer.from(info?.value ?? "", "base64").toString();
  expect(text).toContain("JOB_NOT_FOUND");
  expect(text).toContain("hint");
});

test("the health of the server and of each service can be asked", async () => {
  for (const service of ["", "skrei.job.v1.JobService"])
    expect(await buf("grpc", "grpc.health.v1.Health/Check", { service })).toEqual([{ status: "SERVING" }]);
});

async function curl(method: string, message: object): Promise<unknown> {
  const { stdout } = await run("curl", [
    "--silent",
    "--header",
    "content-type: application/json",
    "--data",
    JSON.stringify(message),
    `${cluster().url}/${method}`,
  ]);
  return JSON.parse(stdout);
}

/** The messages of the answer. */
async function buf(protocol: string, method: string, message: object): Promise<unknown[]> {
  const { stdout } = await run("buf", bufArguments(protocol, method, message), { timeout: 30_000 });
  return messagesOf(stdout);
}

/** A watch has no end of its own: what comes until it says that the snapshot is complete. */
async function watch(protocol: string, jobId: string): Promise<unknown[]> {
  // A group of its own: `buf` of npm is a launcher, and what it launched must end with it.
  const child = spawn("buf", bufArguments(protocol, "skrei.job.v1.JobService/WatchJobs", { filter: `id:${jobId}` }), { detached: true });
  const closed = once(child, "close");
  let text = "";
  child.stdout.on("data", (data: Buffer) => (text += data.toString()));
  try {
    await eventually(
      () => text,
      (seen) => /"synced"[^]*^\}$/mu.test(seen),
      { withinMs: 20_000 },
    );
  } finally {
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await closed;
  }
  return messagesOf(text);
}

function messagesOf(text: string): unknown[] {
  const [, whole = ""] = /^([^]*^\})$/mu.exec(text) ?? [];
  return whole
    .split(/(?<=^\})\n/mu)
    .filter((message) => message.trim() !== "")
    .map((message) => JSON.parse(message) as unknown);
}

function bufArguments(protocol: string, method: string, message: object): string[] {
  return ["curl", "--protocol", protocol, "--http2-prior-knowledge", "--data", JSON.stringify(message), `${cluster().url}/${method}`];
}
