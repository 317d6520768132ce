import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { newExecutionId, newJobId, newNodeId, type ExecutionId, type NetworkMode } from "@skrei/domain";
import { createDockerExecutor } from "@skrei/compute-agent/docker-executor";
import { type Door, type Executor, NO_DOOR } from "@skrei/compute-agent/ports";
import { median } from "./median.ts";

/**
 * What a network costs a container from prepare to remove: a busybox that does nothing, in each mode, in turns, holders made ahead
 * where they are. And what memory a holder takes. DOCKER_HOST names the engine.
 */
const RUNS = 20;
const MODES: readonly NetworkMode[] = ["none", "http", "full"];
const PAUSE_MS = 100;
const HOST = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
const ids = { nowMs: () => Date.now(), randomBytes: () => randomBytes(10) };
const never = new AbortController().signal;

await measure();

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "network-start-"));
  await mkdir(join(folder, "doors"));
  const nodeId = newNodeId(ids);
  const executor = createDockerExecutor({
    host: HOST,
    nodeId,
    secret: randomBytes(16).toString("hex"),
    user: "65534:65534",
    holdersIdleMax: 2,
    slotsFolder: join(folder, "holders"),
    pullTimeoutMs: 60_000,
    clock: { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) },
  });
  await executor.start();
  const times: Record<NetworkMode, number[]> = { none: [], http: [], full: [] };
  try {
    for (const mode of MODES) await timed(executor, folder, mode);
    for (let run = 0; run < RUNS; run++) for (const mode of MODES) times[mode].push(await timed(executor, folder, mode));
    for (const mode of MODES) console.log(`${mode}: median ${median(times[mode]).toFixed(0)} ms of ${RUNS}`);
    console.log(`load ${loadavg()[0]?.toFixed(1)}; a holder's memory: ${(await holdersMemory(nodeId)).join(", ")}`);
  } finally {
    await executor.close();
    await rm(folder, { recursive: true });
  }
}

async function timed(executor: Executor, folder: string, mode: NetworkMode): Promise<number> {
  await delay(PAUSE_MS);
  const executionId = newExecutionId(ids);
  const server = createServer();
  const door = mode === "none" ? NO_DOOR : await openDoor(executionId, mode);
  const startMs = performance.now();
  const run = {
    executionId,
    jobId: newJobId(ids),
    epoch: 1,
    engine: { name: "docker", image: "busybox", entrypoint: [], parameters: ["true"], workingDirectory: "" },
    env: {},
    mounts: [],
    limits: { cpuMillis: 1_000, memoryBytes: 64 * 1_024 * 1_024, diskBytes: 1_024, timeoutMs: 0 },
    door,
    scratchFolder: folder,
  } as const;
  await executor.prepare(run, never);
  await executor.launch(run, { write: async () => undefined, bytesTaken: () => 0 }, never);
  const { exitCode } = await executor.wait(executionId, never);
  await executor.remove(executionId);
  const takenMs = performance.now() - startMs;
  if (exitCode !== 0) throw new Error(`the task ended with ${String(exitCode)}`);
  server.close();
  return takenMs;

  async function openDoor(id: ExecutionId, of: NetworkMode): Promise<Door> {
    const socketPath = join(folder, "doors", `${id}.sock`);
    await once(server.listen(socketPath), "listening");
    await chmod(socketPath, 0o666);
    return { mode: of, env: {}, socketPath, credential: "", deniedNetworks: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] };
  }
}

/** Resident memory of the idle ones' programs. */
async function holdersMemory(nodeId: string): Promise<readonly string[]> {
  const docker = async (...words: string[]): Promise<readonly string[]> =>
    (await promisify(execFile)("docker", ["--host", HOST, ...words])).stdout.trim().split("\n");
  const found = await docker("ps", "-q", "--filter", `label=skrei.node=${nodeId}`);
  const lines = await docker("inspect", "-f", '{{.State.Pid}} {{index .Config.Labels "skrei.mode"}}', ...found);
  return await Promise.all(
    lines.map(async (line) => {
      const [pid = "", mode = ""] = line.split(" ");
      return `${mode} ${/^VmRSS:\s+(.+)$/mu.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? "?"}`;
    }),
  );
}
