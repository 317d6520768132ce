import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport } from "@connectrpc/connect";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { type AgentService, createAgentService } from "@skrei/compute-agent/service";
import type { InputSource, LocalSource } from "@skrei/domain";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StorageFetcherConfig } from "../../services/storage-fetcher/src/config.ts";
import { createStorageFetcherService, type StorageFetcherService } from "../../services/storage-fetcher/src/service.ts";
import { anAssignment, aTask } from "../kit/an-assignment.ts";
import { startNodeServices } from "../kit/node-services.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";
import { ScriptedScheduler } from "../kit/scripted-scheduler.ts";

const ENDED = ["completed", "failed", "rejected", "cancelled", "discarded"];
const SMALL = { cpuMillis: 100, memoryBytes: 1_000, diskBytes: 1_000 };
let folder: string;
let shared: string;
let scheduler: ScriptedScheduler;
let fetcher: StorageFetcherService;
let executor: ProcessExecutor;
let agent: AgentService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-local-"));
  shared = join(folder, "shared");
  await mkdir(join(shared, "below"), { recursive: true });
  await writeFile(join(shared, "below", "file"), "mine");
  scheduler = new ScriptedScheduler();
  await scheduler.start();
  const settings = { dataFolder: join(folder, "fetcher"), freeBytesMin: 0, allowedLocalPaths: `${shared}:rw` };
  fetcher = createStorageFetcherService(StorageFetcherConfig.parse(settings), { logger: silentLogger });
  await fetcher.start();
  const { proxy, publisher } = await startNodeServices(join(folder, "node"));
  executor = new ProcessExecutor(join(folder, "engine"));
  const total = { cpuMillis: 1_000, memoryBytes: 1_048_576, diskBytes: 1_048_576 };
  const config = ComputeAgentConfig.parse({ dataFolder: join(folder, "agent"), stopGraceMs: 1_000, ...total });
  const { joinTransport, bus } = scheduler;
  const transport = clientErrors(createRouterTransport(fetcher.routes, { router: { interceptors: [serverErrors(silentLogger)] } }));
  agent = createAgentService(config, {
    logger: silentLogger,
    executors: () => [executor],
    joinTransport,
    bus,
    fetcher: transport,
    proxy,
    publisher,
  });
  await agent.start();
  await scheduler.joined(1);
});

afterEach(async () => {
  await agent.stop("the test is over");
  for (const { executionId } of await executor.held()) await executor.remove(executionId);
  await fetcher.stop("the test is over");
  await scheduler.bus.close();
  await rm(folder, { recursive: true, force: true });
});

test("nothing below a folder is mounted while another task may change names there, and afterwards it is", async () => {
  const writer = assignmentOf("until [ -e go ]; do sleep 0.05; done", { path: shared, isWritable: true });
  await scheduler.assign([writer]);
  await scheduler.reported(writer.executionId, ["running"]);
  const refused = assignmentOf("true", { path: join(shared, "below") });
  const asks = [refused, writer].map(({ job }, index) => ({ askId: String(index), job, partitions: 1 }));
  const message = `${shared}/below is not mounted while another task may write to ${shared}`;
  expect(await scheduler.ask(asks)).toMatchObject([{ partitions: 0, reason: "CAPACITY_BUSY", message }, { partitions: 1 }]);
  const same = assignmentOf("true", { path: shared });
  await scheduler.assign([refused, same]);
  expect(await scheduler.reported(refused.executionId, ENDED)).toMatchObject({
    state: "rejected",
    failure: {
      class: "infrastructure",
      reason: "SANDBOX_FAILED",
      message,
    },
  });
  expect(await scheduler.reported(same.executionId, ENDED)).toMatchObject({ state: "completed" });
  await scheduler.assign([{ ...writer, desired: "stop" }]);
  await scheduler.reported(writer.executionId, ENDED);
  const later = assignmentOf("true", { path: join(shared, "below") });
  await scheduler.assign([later]);
  expect(await scheduler.reported(later.executionId, ENDED)).toMatchObject({ state: "completed" });
});

test.each([1, 2])("a divided path of the node is there, of %d partitions", async (partitionCount) => {
  const input: InputSource = { alias: "", target: "/in", source: { type: "local", path: shared }, partition: { by: "files", glob: "" } };
  const assignment = anAssignment(aTask("true", { inputs: [input], resources: SMALL }));
  await scheduler.assign([{ ...assignment, job: { ...assignment.job, partitionCount } }]);
  expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({ state: "completed" });
});

function assignmentOf(program: string, source: Omit<LocalSource, "type">): ReturnType<typeof anAssignment> {
  const input: InputSource = { alias: "", target: "/in", source: { type: "local", ...source } };
  return anAssignment(aTask(program, { inputs: [input], resources: SMALL }));
}
