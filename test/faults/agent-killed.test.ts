import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bus } from "@skrei/platform/bus.ts";
import { type HttpServer, startHttpServer } from "@skrei/platform/http-server.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NO_NODE_NETWORK } from "@skrei/domain";
import { aTask, anAssignment, anHttpNetwork } from "../kit/an-assignment.ts";
import { eventually } from "../kit/eventually.ts";
import { type NatsServer, startNatsServer } from "../kit/nats-server.ts";
import { cidOf, readTree } from "../kit/node-services.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";
import { aUse, ScriptedProxy } from "../kit/scripted-proxy.ts";
import { ScriptedScheduler } from "../kit/scripted-scheduler.ts";

const ENDED = ["completed", "failed", "rejected", "cancelled", "discarded"];
let folder: string;
let nats: NatsServer;
let bus: Bus;
let http: HttpServer;
let scheduler: ScriptedScheduler;
let doors: ScriptedProxy;
let proxy: HttpServer;
let agent: ChildProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-killed-"));
  nats = await startNatsServer();
  bus = await connectNatsBus({ urls: [nats.url], cluster: "test", name: "scheduler", logger: silentLogger });
  scheduler = new ScriptedScheduler({ bus, busUrls: [nats.url] });
  await scheduler.start();
  http = await startHttpServer({ host: "127.0.0.1", port: 0, routes: scheduler.routes, logger: silentLogger });
  doors = new ScriptedProxy();
  proxy = await startHttpServer({ host: "127.0.0.1", port: 0, routes: doors.routes, logger: silentLogger });
  await startAgent();
});
afterEach(async () => {
  await kill();
  const executor = new ProcessExecutor(join(folder, "engine"));
  for (const { executionId } of await executor.held()) await executor.remove(executionId);
  await http.close();
  await proxy.close();
  await bus.close();
  await nats.stop();
  await rm(folder, { recursive: true, force: true });
});

async function startAgent(): Promise<void> {
  agent = fork(join(import.meta.dirname, "..", "kit", "agent-process.ts"), [folder, http.url, proxy.url], {
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [message] = (await Promise.race([once(agent, "message"), once(agent, "exit")])) as [unknown];
  if (message !== "joined") throw new Error(`the agent ended with ${String(message)}`);
}

async function kill(): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  agent.kill("SIGKILL");
  await once(agent, "exit");
}

test.each([0, 5, 20, 60, 150, 300])(
  "killed %i ms after it acknowledged them, an agent loses no execution, line or result",
  async (afterMs) => {
    const lines = Array.from({ length: 6 }, (_, index) => anAssignment(aTask({ does: "printLines", count: 8 + index, pauseMs: 20 })));
    const failing = anAssignment(aTask("echo wrong >&2; exit 9"));
    await scheduler.assign([...lines, failing]);
    // Not a wait for a state: the kill shall hit another phase in each case.
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await kill();
    await startAgent();
    expect(await scheduler.reported(failing.executionId, ENDED)).toMatchObject({
      state: "failed",
      exitCode: 9,
      failure: { reason: "EXIT_NONZERO" },
    });
    for (const [index, { executionId }] of lines.entries()) {
      expect(await scheduler.reported(executionId, ENDED)).toMatchObject({
        state: "completed",
        exitCode: 0,
        resultCid: cidOf(executionId),
      });
      const stdout = Array.from({ length: 8 + index }, (_, line) => `line ${line + 1}\n`).join("");
      expect(await readTree(join(folder, "node", "results", executionId))).toMatchObject({ stdout, exitCode: "0" });
      expect((await scheduler.logs({ executionId })).text).toBe(stdout);
    }
    await eventually(
      () => new ProcessExecutor(join(folder, "engine")).held(),
      (held) => held.length === 0,
      { withinMs: 10_000 },
    );
    await eventually(
      () => readdir(join(folder, "agent", "executions")),
      (left) => left.length === 0,
      { withinMs: 10_000 },
    );
  },
);

test("an agent that was killed tells what went through a door while nobody looked", async () => {
  doors.offered = { ...NO_NODE_NETWORK, modes: ["none", "http"], domains: ["example.com"] };
  const task = aTask({ does: "runForever", ignoresTerm: false }, { network: anHttpNetwork("example.com") });
  const assignment = anAssignment(task);
  const { executionId } = assignment;
  await scheduler.assign([assignment]);
  await scheduler.reported(executionId, ["running"]);
  await kill();
  const networkUse = aUse({ "example.com": { requests: 3, sentBytes: 400, receivedBytes: 9_000 }, "evil.example": { denied: 2 } });
  doors.count(executionId, networkUse);
  await new ProcessExecutor(join(folder, "engine")).stop(executionId, 1_000);
  await startAgent();
  expect(await scheduler.reported(executionId, ENDED)).toMatchObject({ state: "failed", networkUse });
  expect(doors.doors.size).toBe(0);
});

test("an agent whose bus goes away and comes back goes on in its session", async () => {
  const assignment = anAssignment(aTask({ does: "printLines", count: 5, pauseMs: 100 }));
  await scheduler.assign([assignment]);
  await scheduler.reported(assignment.executionId, ["running"]);
  await nats.kill();
  await nats.restart();
  expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({ state: "completed" });
});
