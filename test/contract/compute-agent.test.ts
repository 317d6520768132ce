import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAgentService, type AgentService } from "@skrei/compute-agent/service";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { silentLogger } from "@skrei/platform/logger.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aJobTask, aTask, anAssignment } from "../kit/an-assignment.ts";
import { eventually } from "../kit/eventually.ts";
import { cidOf, readTree, startNodeServices, type NodeServices } from "../kit/node-services.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";
import { ScriptedScheduler } from "../kit/scripted-scheduler.ts";

const ENDED = ["completed", "failed", "rejected", "cancelled", "discarded"];

describe("a compute-agent with processes as its engine", () => {
  let folder: string;
  let scheduler: ScriptedScheduler;
  let node: NodeServices;
  let executor: ProcessExecutor;
  let agent: AgentService;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-"));
    scheduler = new ScriptedScheduler();
    await scheduler.start();
    node = await startNodeServices(join(folder, "node"));
    await startAgent();
  });
  afterEach(async () => {
    await agent.stop("the test is over");
    for (const { executionId } of await executor.held()) await executor.remove(executionId);
    await scheduler.bus.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function startAgent(): Promise<void> {
    const joins = scheduler.joins;
    executor = new ProcessExecutor(join(folder, "engine"));
    const config = ComputeAgentConfig.parse({
      dataFolder: join(folder, "agent"),
      stopGraceMs: 1_000,
      cpuMillis: 1_000,
      keepFailedMs: 1_000,
    });
    const { joinTransport, bus } = scheduler;
    const { fetcher, proxy, publisher } = node;
    agent = createAgentService(config, {
      logger: silentLogger,
      executors: () => [executor],
      joinTransport,
      bus,
      fetcher,
      proxy,
      publisher,
    });
    await agent.start();
    await scheduler.joined(joins + 1);
  }

  async function restartAgent(): Promise<void> {
    await agent.stop("restart");
    await startAgent();
  }

  async function expectNothingLeft(): Promise<void> {
    expect(await executor.held()).toEqual([]);
    expect([...node.doors.doors.keys()]).toEqual([]);
    expect([...node.leases]).toEqual([]);
    expect(await readdir(join(folder, "agent", "executions"))).toEqual([]);
  }

  test("runs an execution to its end and hands its result over", async () => {
    const assignment = anAssignment(
      aTask("cat /in/data; echo careful >&2; echo kept > /out/file; echo $SKREI_PARTITION_INDEX/$BACALHAU_PARTITION_COUNT", {
        inputs: [{ alias: "", target: "/in/data", source: { type: "inline", dataBase64: Buffer.from("hello\n").toString("base64") } }],
        outputs: [{ name: "results", path: "/out" }],
      }),
    );
    await scheduler.assign([assignment]);
    const report = await scheduler.reported(assignment.executionId, ENDED);
    expect(report).toMatchObject({
      state: "completed",
      exitCode: 0,
      resultCid: cidOf(assignment.executionId),
      manifestCid: cidOf(`manifest ${assignment.executionId}`),
    });
    expect(await readTree(node.resultFolder(assignment.executionId))).toEqual({
      exitCode: "0",
      "outputs/results/file": "kept\n",
      stderr: "careful\n",
      stdout: "hello\n0/1\n",
    });
    await expectNothingLeft();
  });

  test("a task reads what its partition got of a divided input, also after the agent began anew", async () => {
    const go = join(folder, "go");
    const dataBase64 = Buffer.from("hello").toString("base64");
    const task = aTask(`while [ ! -e ${go} ]; do sleep 0.05; done; cat /skrei/inputs.json`, {
      inputs: [{ alias: "parts", target: "/data", source: { type: "inline", dataBase64 }, partition: { by: "files", glob: "" } }],
    });
    const assignment = anAssignment(task, { job: { ...aJobTask(task), partitionCount: 4 }, partition: 2 });
    await scheduler.assign([assignment]);
    const { inputs } = await scheduler.reported(assignment.executionId, ["running"]);
    expect(inputs).toMatchObject([{ target: "/data", sizeBytes: 5, movedBytes: 5 }]);
    await restartAgent();
    await writeFile(go, "");
    await scheduler.reported(assignment.executionId, ["completed"]);
    const { stdout = "" } = await readTree(node.resultFolder(assignment.executionId));
    expect(JSON.parse(stdout)).toMatchObject({
      partition: { index: 2, count: 4 },
      inputs: [{ target: "/data", alias: "parts", files: [{ path: "part-2-of-4", sizeBytes: 5 }], count: 1, isCut: false }],
    });
    await expectNothingLeft();
  });

  test("calls a non-zero exit a failure of the user, in the task's own words, and keeps its files", async () => {
    const { executionId } = await assign("echo before; echo 'no such thing' >&2; exit 3");
    const report = await scheduler.reported(executionId, ENDED);
    expect(report).toMatchObject({
      state: "failed",
      exitCode: 3,
      failure: { class: "user", reason: "EXIT_NONZERO", message: "the task ended with exit code 3: no such thing" },
    });
    expect(report.resultCid).toBe(cidOf(executionId));
    expect(await readTree(node.resultFolder(executionId))).toMatchObject({ exitCode: "3", stdout: "before\n" });
    await expectNothingLeft();
  });

  test("reports a failed run even when its files cannot be published in time", async () => {
    node.isUpstreamAway = true;
    const { executionId } = await assign("exit 4");
    expect(await scheduler.reported(executionId, ENDED)).toMatchObject({ state: "failed", exitCode: 4 });
  });

  test("fails an image that does not exist, and refuses one that cannot be pulled", async () => {
    const absent = anAssignment({
      ...aTask("true"),
      engine: { name: "docker", image: "absent", entrypoint: [], parameters: [], workingDirectory: "" },
    });
    const unreachable = anAssignment({
      ...aTask("true"),
      engine: { name: "docker", image: "unreachable", entrypoint: [], parameters: [], workingDirectory: "" },
    });
    await scheduler.assign([absent, unreachable]);
    expect(await scheduler.reported(absent.executionId, ENDED)).toMatchObject({
      state: "failed",
      failure: { class: "user", reason: "IMAGE_NOT_FOUND", hint: "use another image" },
    });
    expect(await scheduler.reported(unreachable.executionId, ENDED)).toMatchObject({
      state: "rejected",
      failure: { class: "infrastructure", reason: "IMAGE_PULL_FAILED" },
    });
    await expectNothingLeft();
  });

  test("rejects a task whose input does not answer, so that it is tried again, maybe elsewhere", async () => {
    const assignment = anAssignment(
      aTask("true", { inputs: [{ alias: "", target: "/in", source: { type: "http", url: "http://127.0.0.1:9/", sha256: "" } }] }),
    );
    await scheduler.assign([assignment]);
    expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({
      state: "rejected",
      failure: { reason: "SOURCE_UNREACHABLE", class: "infrastructure" },
    });
    await expectNothingLeft();
  });

  test("ends a run whose time is over", async () => {
    const assignment = anAssignment(
      aTask({ does: "runForever", ignoresTerm: true }, { timeouts: { executionMs: 300, queueMs: 0, totalMs: 0 } }),
    );
    await scheduler.assign([assignment]);
    expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({
      state: "failed",
      failure: { class: "resource", reason: "EXECUTION_TIMEOUT" },
    });
    await expectNothingLeft();
  });

  test.each(["running", "preparing"])("stops an execution that is %s", async (state) => {
    const task = aTask({ does: "runForever", ignoresTerm: true });
    const assignment = anAssignment(
      state === "running" ? task : { ...task, engine: { ...task.engine, image: "stuck" } as typeof task.engine },
    );
    await scheduler.assign([assignment]);
    await scheduler.reported(assignment.executionId, [state]);
    await scheduler.assign([{ ...assignment, desired: "stop" }]);
    expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({ state: "cancelled" });
    await expectNothingLeft();
  });

  test("waits for the verdict when verification is asked for, and discards what is not accepted", async () => {
    const [one, two] = [
      anAssignment(aTask("echo 1"), { isAcceptedAtOnce: false }),
      anAssignment(aTask("echo 2"), { isAcceptedAtOnce: false }),
    ];
    await scheduler.assign([one, two]);
    for (const { executionId } of [one, two]) {
      await eventually(
        () => scheduler.reportOf(executionId)?.resultCid,
        (cid) => cid === cidOf(executionId),
        { withinMs: 20_000 },
      );
      expect(scheduler.statesOf(executionId).at(-1)).toBe("proposing");
    }
    await scheduler.assign([
      { ...one, verdict: "accepted" },
      { ...two, verdict: "rejected" },
    ]);
    expect(await scheduler.reported(one.executionId, ENDED)).toMatchObject({ state: "completed" });
    expect(await scheduler.reported(two.executionId, ENDED)).toMatchObject({ state: "discarded" });
    await expectNothingLeft();
  });

  test("goes on publishing until the cluster's store is back, across a restart", async () => {
    node.isUpstreamAway = true;
    const { executionId } = await assign("echo precious");
    await scheduler.reported(executionId, ["publishing"]);
    await restartAgent();
    node.isUpstreamAway = false;
    expect(await scheduler.reported(executionId, ENDED)).toMatchObject({ state: "completed", exitCode: 0 });
    expect(await readTree(node.resultFolder(executionId))).toMatchObject({ stdout: "precious\n" });
  });

  test("takes a running task up again after a restart, without losing a line", async () => {
    const { executionId } = await assign({ does: "printLines", count: 30, pauseMs: 50 });
    await scheduler.reported(executionId, ["running"]);
    await restartAgent();
    expect(await scheduler.reported(executionId, ENDED)).toMatchObject({ state: "completed" });
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index + 1}\n`).join("");
    expect(await readTree(node.resultFolder(executionId))).toMatchObject({ stdout: lines });
    expect((await scheduler.logs({ executionId })).text).toBe(lines);
  });

  test("says that a run is gone when the engine lost it during a restart", async () => {
    const { executionId } = await assign({ does: "runForever", ignoresTerm: false });
    await scheduler.reported(executionId, ["running"]);
    await agent.stop("restart");
    await executor.remove(executionId);
    await startAgent();
    expect(await scheduler.reported(executionId, ENDED)).toMatchObject({
      state: "failed",
      failure: { class: "infrastructure", reason: "AGENT_RESTARTED" },
    });
    await expectNothingLeft();
  });

  test("follows output from the beginning, from an offset and from the end", async () => {
    const { executionId } = await assign({ does: "printLines", count: 10, pauseMs: 30 });
    const [all, late] = await Promise.all([
      scheduler.logs({ executionId, isFollowing: true }),
      scheduler.logs({ executionId, isFollowing: true, fromOffset: 7 }),
    ]);
    const lines = Array.from({ length: 10 }, (_, index) => `line ${index + 1}\n`).join("");
    expect(all.text).toBe(lines);
    expect(late.text).toBe(lines.slice(7));
    expect(all.chunks.at(-1)).toMatchObject({ isEnd: true, isTruncated: false, nextOffset: lines.length });
    expect((await scheduler.logs({ executionId, tailBytes: 8 })).text).toBe("line 10\n");
  });

  test("repeats reports until they are taken", async () => {
    scheduler.isDeaf = true;
    const { executionId } = await assign("true");
    await eventually(() => node.published.has(executionId), Boolean, { withinMs: 20_000 });
    scheduler.isDeaf = false;
    expect(await scheduler.reported(executionId, ENDED)).toMatchObject({ state: "completed" });
  });

  test("joins again when its session ends, and reports everything it holds", async () => {
    const { executionId } = await assign("true");
    await scheduler.reported(executionId, ENDED);
    const before = scheduler.completeReports;
    scheduler.endSession();
    await scheduler.joined(2);
    await eventually(
      () => scheduler.completeReports,
      (count) => count > before,
      { withinMs: 20_000 },
    );
    expect(scheduler.reportOf(executionId)).toMatchObject({ state: "completed" });
  });

  test("runs nothing any more once an operator has rejected it, and works again when approved", async () => {
    const { executionId } = await assign({ does: "runForever", ignoresTerm: false });
    await scheduler.reported(executionId, ["running"]);
    scheduler.isRejecting = true;
    await eventually(
      () => executor.held(),
      (held) => held.length === 0,
      { withinMs: 20_000 },
    );
    scheduler.isRejecting = false;
    await scheduler.joined(2);
    const next = anAssignment(aTask("true"));
    await scheduler.assign([next], { isComplete: true });
    expect(await scheduler.reported(next.executionId, ENDED)).toMatchObject({ state: "completed" });
    await expectNothingLeft();
  });

  test("keeps its heartbeat when an engine hangs", async () => {
    executor.probe = () => new Promise(() => undefined);
    const before = scheduler.heartbeats.length;
    await eventually(
      () => scheduler.heartbeats.length,
      (count) => count >= before + 3,
      { withinMs: 10_000 },
    );
    expect(scheduler.joins).toBe(1);
  });

  test("tells of an engine that went away, and bids no more for it", async () => {
    executor.isAvailable = false;
    await eventually(
      () => scheduler.heartbeats.at(-1)?.engines[0]?.available,
      (isAvailable) => isAvailable === false,
      { withinMs: 10_000 },
    );
    const [bid] = await scheduler.ask([{ askId: "a-1", job: aJobTask(aTask("true")), partitions: 1 }]);
    expect(bid).toMatchObject({ partitions: 0, reason: "ENGINE_UNAVAILABLE", message: expect.stringContaining("switched off") });
  });

  test("refuses calls of a session that is not its own", async () => {
    scheduler.session = "session-of-another-scheduler";
    await expect(scheduler.ask([])).rejects.toMatchObject({ kind: "precondition", reason: "SESSION_ENDED" });
    await expect(scheduler.assign([anAssignment(aTask("true"))])).rejects.toMatchObject({ reason: "SESSION_ENDED" });
  });

  test("refuses an execution for which there is no room any more", async () => {
    const task = {
      ...aTask({ does: "runForever", ignoresTerm: false }),
      resources: { cpuMillis: 800, memoryBytes: 1_024, diskBytes: 65_536 },
    };
    const [first, second] = [anAssignment(task), anAssignment(task)];
    await scheduler.assign([first, second]);
    expect(await scheduler.reported(second.executionId, ENDED)).toMatchObject({
      state: "rejected",
      failure: { reason: "CAPACITY_BUSY", class: "infrastructure" },
    });
    await scheduler.assign([{ ...first, desired: "stop" }]);
    expect(await scheduler.reported(first.executionId, ENDED)).toMatchObject({ state: "cancelled" });
  });

  test("answers a gap with what it has, and stops and forgets what a complete set does not name", async () => {
    const first = await assign({ does: "runForever", ignoresTerm: false });
    await scheduler.reported(first.executionId, ["running"]);
    const missed = anAssignment(aTask("true"));
    expect(await scheduler.assign([missed], { appliesTo: "t-of-another-time.7" })).toBe("t.1");
    await scheduler.assign([missed], { isComplete: true });
    expect(await scheduler.reported(missed.executionId, ENDED)).toMatchObject({ state: "completed" });
    expect(await scheduler.reported(first.executionId, ENDED).catch(() => ({ state: "forgotten" }))).toMatchObject({
      state: expect.stringMatching(/cancelled|forgotten/u),
    });
    await expectNothingLeft();
    await expect(scheduler.logs({ executionId: first.executionId })).rejects.toMatchObject({ reason: "EXECUTION_NOT_FOUND" });
  });

  test("bids with what fits, reserves it, and says what is short", async () => {
    const job = aJobTask({ ...aTask("true"), resources: { cpuMillis: 400, memoryBytes: 1_024, diskBytes: 1_024 } });
    const large = aJobTask({ ...aTask("true"), resources: { cpuMillis: 4_000, memoryBytes: 1_024, diskBytes: 1_024 } });
    const bids = await scheduler.ask([
      { askId: "a-1", job, partitions: 5 },
      { askId: "a-2", job, partitions: 1 },
      { askId: "a-3", job: large, partitions: 1 },
    ]);
    expect(bids.map(({ partitions, reason }) => ({ partitions, reason }))).toEqual([
      { partitions: 2, reason: "CAPACITY_BUSY" },
      { partitions: 0, reason: "CAPACITY_BUSY" },
      { partitions: 0, reason: "CAPACITY_TOO_SMALL" },
    ]);
    expect(bids[1]?.message).toContain("400 millicpu, the node has 200 free");
    await scheduler.assign([anAssignment(job.task, { job, askId: "a-1" })]);
    expect((await scheduler.ask([{ askId: "a-4", job, partitions: 1 }]))[0]).toMatchObject({ partitions: 0 });
  });

  test("removes runs with its mark that no journal knows", async () => {
    const { executionId } = await assign({ does: "runForever", ignoresTerm: true });
    await scheduler.reported(executionId, ["running"]);
    await agent.stop("restart");
    await rm(join(folder, "agent"), { recursive: true });
    await startAgent();
    expect(await executor.held()).toEqual([]);
  });

  test("does not start twice on one data folder", async () => {
    const second = createAgentService(ComputeAgentConfig.parse({ dataFolder: join(folder, "agent") }), {
      logger: silentLogger,
      executors: () => [executor],
    });
    await expect(second.start()).rejects.toMatchObject({ reason: "DATA_LOCKED" });
  });

  async function assign(program: Parameters<typeof aTask>[0]): Promise<ReturnType<typeof anAssignment>> {
    const assignment = anAssignment(aTask(program));
    await scheduler.assign([assignment]);
    return assignment;
  }
});
