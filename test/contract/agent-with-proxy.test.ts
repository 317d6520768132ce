import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { createAgentService, type AgentService } from "@skrei/compute-agent/service";
import type { ExecutionId } from "@skrei/domain";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aJobTask, anAssignment, anHttpNetwork, aTask } from "../kit/an-assignment.ts";
import { eventually } from "../kit/eventually.ts";
import { readTree, startNodeServices, type NodeServices } from "../kit/node-services.ts";
import { writePolicyFile } from "../kit/policy-file.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";
import { ScriptedScheduler } from "../kit/scripted-scheduler.ts";
import { type ServiceProcess, startServiceProcess } from "../kit/service-process.ts";

const ENDED = ["completed", "failed", "rejected", "cancelled", "discarded"];
let folder: string;
let policyFile: string;
let proxy: ServiceProcess;
let scheduler: ScriptedScheduler;
let node: NodeServices;
let executor: ProcessExecutor;
let agent: AgentService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-proxy-"));
  policyFile = join(folder, "policy.yaml");
  await writePolicyFile(policyFile, { modes: ["none", "http"], domains: ["example.com"] });
  proxy = await startServiceProcess("network-proxy", { "data-folder": join(folder, "proxy"), "policy-file": policyFile });
  scheduler = new ScriptedScheduler();
  await scheduler.start();
  node = await startNodeServices(join(folder, "node"));
  executor = new ProcessExecutor(join(folder, "engine"));
  const config = ComputeAgentConfig.parse({ dataFolder: join(folder, "agent"), stopGraceMs: 500, cpuMillis: 4_000 });
  const { joinTransport, bus } = scheduler;
  const { fetcher, publisher } = node;
  agent = createAgentService(config, {
    logger: silentLogger,
    executors: () => [executor],
    joinTransport,
    bus,
    fetcher,
    proxy: createHttpTransport({ url: proxy.url }),
    publisher,
  });
  await agent.start();
  await scheduler.joined();
});
afterEach(async () => {
  await agent.stop("the test is over");
  for (const { executionId } of await executor.held()) await executor.remove(executionId);
  await scheduler.bus.close();
  await proxy[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Asks its door for a host that is on no list, again and again, and prints what it is answered. */
const ASKS_IN_VAIN = `exec node -e '
  const { username, password } = new URL(process.env.http_proxy);
  const authorization = "Basic " + Buffer.from(username + ":" + password).toString("base64");
  const headers = { host: "evil.example", "proxy-authorization": authorization };
  const ask = () => {
    const told = (status) => { console.log(status); setTimeout(ask, 20); };
    const request = require("http").request({ socketPath: "/slot/door", path: "http://evil.example/", headers, agent: false });
    request.on("response", (response) => { response.resume(); response.on("end", () => told(response.statusCode)); });
    request.on("error", () => told("away"));
    request.end();
  };
  ask();'`;

test("a proxy that is killed under a running task comes back at the same door, and goes on counting", async () => {
  const assignment = anAssignment(aTask(ASKS_IN_VAIN, { network: anHttpNetwork("example.com") }));
  const { executionId } = assignment;
  await scheduler.assign([assignment]);
  const before = await told(executionId, 5);
  await proxy.restart();
  const after = await told(executionId, before + 20);
  expect(scheduler.reportOf(executionId)).toMatchObject({
    state: "running",
    networkUse: { requests: 0, hosts: [{ host: "evil.example", reason: "EGRESS_HOST_NOT_ON_JOB_LIST" }] },
  });
  await executor.stop(executionId, 500);
  const report = await scheduler.reported(executionId, ENDED);
  const answers = ((await readTree(node.resultFolder(executionId)))["stdout"] ?? "").trim().split("\n");
  const refused = answers.filter((answer) => answer === "403").length;
  expect(answers.filter((answer) => answer !== "403" && answer !== "away")).toEqual([]);
  expect(report.networkUse?.denied).toBeGreaterThanOrEqual(after);
  // The last one may have been counted, and cut before it was printed.
  expect(report.networkUse?.denied).toBeLessThanOrEqual(refused + 1);
});

test("bids follow the policy file, and so does what the proxy says to a request", async () => {
  const network = anHttpNetwork("example.com", "example.org");
  const ask = async () =>
    (await scheduler.ask([{ askId: crypto.randomUUID(), job: aJobTask(aTask("true", { network })), partitions: 1 }]))[0];
  expect(await ask()).toMatchObject({
    partitions: 0,
    reason: "NETWORK_DOMAIN_NOT_ALLOWED",
    message: expect.stringContaining("example.org"),
  });
  const explain = () => scheduler.explain({ url: "https://evil.example/", network });
  expect(await explain()).toMatchObject({ isAllowed: false, reason: "NETWORK_DOMAIN_NOT_ALLOWED", host: "evil.example", port: 443 });
  const digest = (): string | undefined => scheduler.heartbeats.at(-1)?.network?.policyDigest;
  const before = digest();
  await writePolicyFile(policyFile, { modes: ["none", "http"], domains: ["example.com", "example.org"] });
  await eventually(digest, (now) => now !== undefined && now !== before, { withinMs: 10_000 });
  expect(await ask()).toMatchObject({ partitions: 1 });
  expect(await explain()).toMatchObject({ isAllowed: false, reason: "EGRESS_HOST_NOT_ON_JOB_LIST", host: "evil.example", port: 443 });
});

async function told(executionId: ExecutionId, denied: number): Promise<number> {
  const use = await eventually(
    () => scheduler.reportOf(executionId)?.networkUse,
    (networkUse) => (networkUse?.denied ?? 0) >= denied,
    { withinMs: 30_000 },
  );
  return use?.denied ?? 0;
}
