import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HttpServer, startHttpServer } from "@skrei/platform/http-server.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { expect, test } from "vitest";
import { anAssignment, aTask } from "../kit/an-assignment.ts";
import { eventually } from "../kit/eventually.ts";
import { startKuboServer } from "../kit/kubo-server.ts";
import { startNatsServer } from "../kit/nats-server.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";
import { ScriptedProxy } from "../kit/scripted-proxy.ts";
import { ScriptedScheduler } from "../kit/scripted-scheduler.ts";
import { startServiceProcess } from "../kit/service-process.ts";

const MIB = 1_048_576;

test("agent and publisher are killed while a target is away: the result is delivered once it is back", { timeout: 120_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "publishing-killed-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const nats = await startNatsServer();
  stack.defer(() => nats.stop());
  const bus = await connectNatsBus({ urls: [nats.url], cluster: "test", name: "scheduler", logger: silentLogger });
  stack.defer(() => bus.close());
  const scheduler = new ScriptedScheduler({ bus, busUrls: [nats.url] });
  await scheduler.start();
  const listen = async (routes: Parameters<typeof startHttpServer>[0]["routes"]): Promise<HttpServer> => {
    const server = await startHttpServer({ host: "127.0.0.1", port: 0, routes, logger: silentLogger });
    stack.defer(() => server.close());
    return server;
  };
  const http = await listen(scheduler.routes);
  const proxy = await listen(new ScriptedProxy().routes);
  const kubo = stack.use(await startKuboServer());
  const publisher = stack.use(
    await startServiceProcess("publisher", { "data-folder": join(folder, "publisher"), "ipfs-rpc-url": kubo.url, "free-bytes-min": "0" }),
  );
  const executor = new ProcessExecutor(join(folder, "engine"));
  stack.defer(async () => {
    for (const { executionId } of await executor.held()) await executor.remove(executionId);
  });
  let agent: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return;
    agent.kill("SIGKILL");
    await once(agent, "exit");
  };
  const start = async (): Promise<void> => {
    agent = fork(join(import.meta.dirname, "..", "kit", "agent-process.ts"), [folder, http.url, proxy.url, publisher.url], {
      execArgv: [],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const [message] = (await Promise.race([once(agent, "message"), once(agent, "exit")])) as [unknown];
    if (message !== "joined") throw new Error(`the agent ended with ${String(message)}`);
  };
  stack.defer(kill);
  await start();
  await kubo.stop();
  const task = aTask("head -c 40000000 /dev/urandom > /out/random", {
    outputs: [{ name: "random", path: "/out" }],
    publisher: { type: "ipfs" },
  });
  const assignment = anAssignment({ ...task, resources: { ...task.resources, diskBytes: 100 * MIB } });
  const { executionId } = assignment;
  await scheduler.assign([assignment]);
  const waits = (): Promise<unknown> => {
    const known = scheduler.reports.length;
    return eventually(
      () => scheduler.reports.slice(known),
      (reports) =>
        reports.some((report) => report.executionId === executionId && report.transfer?.waiting?.reason === "TARGET_UNAVAILABLE"),
      { withinMs: 40_000 },
    );
  };
  await waits();
  await kill();
  await start();
  await waits();
  await publisher.kill();
  await kill();
  await publisher.restart();
  await start();
  await waits();
  await kubo.startAgain();
  const report = await scheduler.reported(executionId, ["completed", "failed"], 60_000);
  expect(report).toMatchObject({
    state: "completed",
    deliveryUrl: `ipfs://${report.resultCid ?? ""}`,
    resultBytes: expect.any(Number) as number,
  });
  expect(kubo.pins.has(report.resultCid ?? "")).toBe(true);
  expect([...kubo.blocks.values()].reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(40_000_000);
});
