import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { aShellJob, type JobSpecInit } from "../kit/a-job.ts";
import { type Cluster, startCluster } from "../kit/cluster.ts";
import { expectInvariants } from "../kit/invariants.ts";
import { type PolicyKeys, writePolicyFile } from "../kit/policy-file.ts";

const STRICT: PolicyKeys = { modes: ["none"] };
let folder = "";
let cluster: Cluster;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skrei-policy-"));
  await writePolicyFile(policyFile(), STRICT);
  cluster = await startCluster({ nodes: 1, engines: ["docker"], proxyFlags: { "policy-file": policyFile() } });
}, 120_000);
beforeEach(async ({ onTestFailed }) => {
  onTestFailed(() => void process.stderr.write(`${cluster.describeLogs()}\n`));
  await writePolicyFile(policyFile(), STRICT);
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const policyFile = (): string => join(folder, "policy.yaml");

function aJobFor(...domains: readonly string[]): JobSpecInit {
  return aShellJob("echo $http_proxy", { network: { mode: Network_Mode.HTTP, domains: [...domains] } });
}

async function waitsFor(jobId: string): Promise<string> {
  return JSON.stringify((await cluster.job(jobId)).waiting?.reasons ?? []);
}

test("a job whose mode no node offers says so at submit, and runs when the node's policy changes, without a restart", async () => {
  const pid = cluster.proxy.pid;
  const jobId = await cluster.submit(aJobFor("example.com"));
  await expect.poll(() => waitsFor(jobId), { timeout: 10_000 }).toMatch(/NETWORK_MODE_NOT_OFFERED.*http/u);
  await writePolicyFile(policyFile(), { modes: ["none", "http"], domains: [".example.com"] });
  await cluster.waitForJob(jobId, "completed");
  expect((await cluster.runCli(["job", "logs", jobId])).stdout).toMatch(/^http:\/\/e-[^:]+:[^@]+@127\.0\.0\.1:3128\n$/u);
  expect(cluster.proxy.pid).toBe(pid);
});

test("a job whose list no node covers is told exactly what is missing where, by plan, at submit and after, and runs when it is covered", async () => {
  await writePolicyFile(policyFile(), { modes: ["none", "http"], domains: ["example.com"] });
  const file = `Type: batch
Tasks: [{Engine: {Type: docker, Params: {Image: busybox}}, Network: {Type: HTTP, Domains: [example.com, missing.example.org]}}]\n`;
  const plan = async (): Promise<string> => {
    const { stdout, stderr } = await cluster.runCli(["job", "plan"], { input: file });
    return stdout + stderr;
  };
  await expect.poll(plan, { timeout: 10_000 }).toMatch(/node-1.*does not allow missing\.example\.org/u);
  const script = ["busybox", "--", "sh", "-c", "echo $http_proxy"];
  await using run = cluster.startCli(["docker", "run", "--network", "example.com,missing.example.org", ...script]);
  await expect.poll(run.stderr, { timeout: 20_000 }).toMatch(/does not allow missing\.example\.org/u);
  const { jobs } = await cluster.jobs.listJobs({ pageSize: 1 });
  const { stdout } = await cluster.runCli(["job", "describe", jobs[0]?.jobId ?? ""]);
  expect(stdout).toContain("does not allow missing.example.org");
  await writePolicyFile(policyFile(), { modes: ["none", "http"], domains: ["example.com", "missing.example.org"] });
  expect(await run.done).toMatchObject({ code: 0, stdout: expect.stringMatching(/^http:\/\/e-/u) });
});

test("a policy file that is wrong changes nothing but what is told of the node", async () => {
  const problem = async (): Promise<string> => (await cluster.nodes.listNodes({ pageSize: 10 })).nodes[0]?.network?.problem ?? "";
  const domains = async (): Promise<readonly string[]> =>
    (await cluster.nodes.listNodes({ pageSize: 10 })).nodes[0]?.network?.domains ?? [];
  // A list that the node never had, so that what the test waits for is no older one.
  await writePolicyFile(policyFile(), { modes: ["none", "http"], domains: ["example.com", "good.example.org"] });
  await expect.poll(domains, { timeout: 10_000 }).toEqual(["example.com", "good.example.org"]);
  await writePolicyFile(policyFile(), { modes: ["none", "http"], domains: ["not a host"] });
  await expect.poll(problem, { timeout: 10_000 }).not.toBe("");
  expect(await domains()).toEqual(["example.com", "good.example.org"]);
  const jobId = await cluster.submit(aJobFor("example.com"));
  await cluster.waitForJob(jobId, "completed");
});

test.each([
  [["*"], "domains[0]"],
  [["*.example.com"], "domains[0]"],
  [["example.com", "com"], "domains[1]"],
  [[".co.uk"], "domains[0]"],
  [["https://example.com/"], "domains[0]"],
  [["example.com\n.evil.net"], "domains[0]"],
  [[], "domains"],
])("a list with %j is refused at submit and the place of the fault is named", async (domains, place) => {
  await expect(cluster.submit(aJobFor(...domains))).rejects.toMatchObject({
    violations: [expect.objectContaining({ field: expect.stringContaining(place) })],
  });
});

test("leaves nothing of all that behind", async () => {
  await expectInvariants(cluster);
});
