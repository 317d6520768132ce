import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { createAgentService, type AgentService } from "@skrei/compute-agent/service";
import { NO_NODE_NETWORK, type Network, type Task } from "@skrei/domain";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aTask, anAssignment, anHttpNetwork } from "../kit/an-assignment.ts";
import { DOCKER_HOST } from "../kit/docker-host.ts";
import { eventually } from "../kit/eventually.ts";
import { readTree, startNodeServices, type NodeServices } from "../kit/node-services.ts";
import { writePolicyFile } from "../kit/policy-file.ts";
import { aUse } from "../kit/scripted-proxy.ts";
import { ScriptedScheduler } from "../kit/scripted-scheduler.ts";
import type { Program } from "../kit/program.ts";
import { startServiceProcess } from "../kit/service-process.ts";
import { wasmProgram } from "../kit/wasm-modules.ts";

const ENDED = ["completed", "failed", "rejected", "cancelled", "discarded"];
let folder: string;
let scheduler: ScriptedScheduler;
let node: NodeServices;
let agent: AgentService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-engines-"));
  scheduler = new ScriptedScheduler();
  await scheduler.start();
  node = await startNodeServices(join(folder, "node"));
  await startAgent();
}, 60_000);
afterEach(async () => {
  await agent.stop("the test is over");
  await scheduler.bus.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function startAgent(proxy = node.proxy): Promise<void> {
  const joins = scheduler.joins;
  const config = ComputeAgentConfig.parse({
    dataFolder: join(folder, "agent"),
    dockerHost: DOCKER_HOST,
    stopGraceMs: 500,
    holdersIdleMax: 1,
  });
  const { joinTransport, bus } = scheduler;
  const { fetcher, publisher } = node;
  agent = createAgentService(config, { logger: silentLogger, joinTransport, bus, fetcher, proxy, publisher });
  await agent.start();
  await scheduler.joined(joins + 1);
}

/** The module is an inline input, as in a job. */
async function wasmAssignment(program: Program, network?: Network): Promise<ReturnType<typeof anAssignment>> {
  const { engine, mounts } = wasmProgram(program);
  const inputs = mounts.map(async ({ hostPath, target }) => ({
    alias: "",
    target,
    source: { type: "inline" as const, dataBase64: (await readFile(hostPath)).toString("base64") },
  }));
  return anAssignment({ ...aTask(""), engine, inputs: await Promise.all(inputs), ...(network !== undefined && { network }) });
}

test("a container runs with its inputs and outputs, as a user that is not ours", async () => {
  const inputs: Task["inputs"] = [
    { alias: "", target: "/in/data", source: { type: "inline", dataBase64: Buffer.from("hello\n").toString("base64") } },
  ];
  const assignment = anAssignment(
    aTask("cat /in/data; id -u >&2; echo kept > /out/file", { inputs, outputs: [{ name: "results", path: "/out" }] }),
  );
  await scheduler.assign([assignment]);
  expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({ state: "completed", exitCode: 0 });
  const tree = await readTree(node.resultFolder(assignment.executionId));
  expect(tree).toEqual({ exitCode: "0", "outputs/results/file": "kept\n", stdout: "hello\n", stderr: "65534\n" });
});

test("a container outlives its agent, and its output goes on", async () => {
  const assignment = anAssignment(aTask({ does: "printLines", count: 30, pauseMs: 100 }));
  await scheduler.assign([assignment]);
  await scheduler.reported(assignment.executionId, ["running"]);
  await agent.stop("restart");
  await startAgent();
  expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({ state: "completed" });
  expect((await readTree(node.resultFolder(assignment.executionId)))["stdout"]).toBe(
    Array.from({ length: 30 }, (_, line) => `line ${line + 1}\n`).join(""),
  );
});

test("a module runs, and its exit code is its own", async () => {
  const [well, badly] = [
    await wasmAssignment({ does: "print", stdout: "from a module\n", stderr: "" }),
    await wasmAssignment({ does: "exit", code: 5 }),
  ];
  await scheduler.assign([well, badly]);
  expect(await scheduler.reported(well.executionId, ENDED)).toMatchObject({ state: "completed", exitCode: 0 });
  expect(await readTree(node.resultFolder(well.executionId))).toMatchObject({ stdout: "from a module\n" });
  expect(await scheduler.reported(badly.executionId, ENDED)).toMatchObject({ state: "failed", exitCode: 5 });
});

test("a module that runs when its agent stops is reported as the node's failure, with what it did on the network", async () => {
  node.doors.offered = { ...NO_NODE_NETWORK, modes: ["none", "http"], domains: ["example.com"] };
  const assignment = await wasmAssignment({ does: "runForever", ignoresTerm: false }, anHttpNetwork("example.com"));
  await scheduler.assign([assignment]);
  await scheduler.reported(assignment.executionId, ["running"]);
  node.doors.isSilent = true;
  const networkUse = aUse({ "evil.example": { denied: 1 } });
  node.doors.count(assignment.executionId, networkUse);
  await agent.stop("maintenance");
  expect(node.doors.doors.size).toBe(0);
  expect(scheduler.reportOf(assignment.executionId)).toMatchObject({
    state: "failed",
    networkUse,
    failure: { class: "infrastructure", reason: "AGENT_RESTARTED" },
  });
  await startAgent();
});

test("a container keeps its door when agent and proxy restart, and what it was refused is told with its end", async () => {
  const policyFile = join(folder, "policy.yaml");
  await writePolicyFile(policyFile, { modes: ["none", "http"], domains: ["example.com"] });
  await using proxy = await startServiceProcess("network-proxy", { "data-folder": join(folder, "proxy"), "policy-file": policyFile });
  await agent.stop("another proxy");
  await startAgent(createHttpTransport({ url: proxy.url }));
  const ask = "wget -q -T 5 -O /dev/null http://evil.example/ 2>&1";
  const assignment = anAssignment(
    aTask(`${ask}; n=0; while sleep 0.1; do ${ask} | grep -q 403 && n=$((n+1)); test $n -lt 30 || exit 7; done`, {
      network: anHttpNetwork("example.com"),
    }),
  );
  const denied = (): number => scheduler.reportOf(assignment.executionId)?.networkUse?.denied ?? 0;
  await scheduler.assign([assignment]);
  const before = await eventually(denied, (count) => count >= 2, { withinMs: 30_000 });
  await agent.stop("restart");
  await proxy.restart();
  await startAgent(createHttpTransport({ url: proxy.url }));
  await eventually(denied, (count) => count > before + 2, { withinMs: 30_000 });
  const report = await scheduler.reported(assignment.executionId, ENDED, 60_000);
  expect(report).toMatchObject({ state: "failed", exitCode: 7, networkUse: { requests: 0, hosts: [{ host: "evil.example" }] } });
  // At ten a second; a proxy that is killed loses the counts of half a second.
  expect(report.networkUse?.denied).toBeGreaterThanOrEqual(30 - 6);
});
