import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../kit/embedded.ts";
import { eventually } from "../kit/eventually.ts";
import { type KuboServer, startKuboServer } from "../kit/kubo-server.ts";

let kubo: KuboServer;
let cluster: Embedded;

beforeAll(async () => {
  kubo = await startKuboServer();
  cluster = await startEmbedded(["--nodes", "1", "--log-level", "warn"], {}, { SKREI_STANDALONE_IPFS_RPC_URL: kubo.url });
}, 120_000);
beforeEach(() => kubo.stop());
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await kubo[Symbol.asyncDispose]();
}, 60_000);

test("a result can be fetched while its target is down, and when the job was stopped meanwhile", async () => {
  const jobId = await submit("-p", "ipfs", "-o", "out:/out", "busybox", "--", "sh", "-c", "echo precious > /out/file");
  const listed = await eventually(
    () => job("results", jobId),
    ({ stdout }) => stdout.includes("bafy"),
    { withinMs: 60_000 },
  );
  expect(listed.stdout).toMatch(/^ *0 +bafy\w+ +\S+ +0 +no$/mu);
  expect(await job("get", jobId, "--to", "waiting")).toMatchObject({ code: 0 });
  expect(await readFile(join(cluster.folder, "waiting", "outputs", "out", "file"), "utf8")).toBe("precious\n");
  const waiting = await eventually(
    () => job("describe", jobId),
    ({ stdout }) => stdout.includes("does not take the result now"),
    { withinMs: 30_000 },
  );
  expect(waiting).toMatchObject({ code: 0, stdout: expect.stringContaining(`skrei job get ${jobId}`) as string });
  expect(waiting.stdout).toMatch(/^out +0 +9B +bafy/mu);

  await job("stop", jobId);
  await eventually(
    () => job("describe", jobId),
    ({ stdout }) => /^state +stopped/mu.test(stdout) && stdout.includes("cancelled"),
    { withinMs: 30_000 },
  );
  expect(await job("get", jobId, "--to", "stopped")).toMatchObject({ code: 0 });
  expect(await readFile(join(cluster.folder, "stopped", "outputs", "out", "file"), "utf8")).toBe("precious\n");
  const stopped = await job("describe", jobId);
  expect(stopped).toMatchObject({ code: 0, stdout: expect.stringContaining(`skrei job get ${jobId}`) as string });
  expect(stopped.stdout).toMatch(/^\(all, not accepted\) /mu);
}, 240_000);

test("a job without a result says so, and that one may come only while it may", async () => {
  const jobId = await submit("busybox", "--", "sleep", "600");
  expect(await job("results", jobId)).toMatchObject({ code: 0, stderr: expect.stringMatching(/^none yet/u) as string });
  expect(await job("get", jobId)).toMatchObject({ code: 3, stderr: expect.stringContaining("has no result yet") as string });
  await job("stop", jobId);
  await job("wait", jobId);
  expect(await job("results", jobId)).toMatchObject({ code: 0, stderr: expect.stringMatching(/^none;/u) as string });
  expect((await job("get", jobId)).stderr).toContain(`Job ${jobId} is stopped and has no result`);
  expect(await job("describe", jobId)).toMatchObject({ code: 0 });
}, 120_000);

test("a run says at its end where its target has the result", async () => {
  await kubo.startAgain();
  const { code, stderr } = await cluster.runCli(["run", "-p", "ipfs", "busybox", "--", "true"]);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/^Done in .*\n {2}sent {3}ipfs:\/\/bafy\w+$/mu);
}, 120_000);

async function submit(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.runCli(["run", "-d", "-q", ...args]);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

async function job(...args: string[]): ReturnType<Embedded["runCli"]> {
  return await cluster.runCli(["job", ...args]);
}
