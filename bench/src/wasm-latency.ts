import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { newExecutionId, newJobId } from "@skrei/domain";
import { NO_DOOR, type RunSpec } from "@skrei/compute-agent/ports";
import { WasmExecutor } from "@skrei/compute-agent/wasm-executor";

/**
 * Spawn to end of a module that does nothing, through the executor, beside a bare `node -e 0`: in turns, in the same run.
 * `--pause-ms` waits between executions, so that a host started ahead is ready (default 100); 0 shows a flood.
 */
const RUNS = 40;
const PAUSE_MS = Number(parseArgs({ options: { "pause-ms": { type: "string", default: "100" } } }).values["pause-ms"]);
const MODULE = fileURLToPath(new URL("../../test/wasm/noop.wasm", import.meta.url));
const ids = { nowMs: () => Date.now(), randomBytes: () => randomBytes(10) };
const never = new AbortController().signal;

await measure();

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "wasm-latency-"));
  const folders = { readable: [fileURLToPath(new URL("../../test/wasm", import.meta.url))], writable: [folder] };
  const clock = { nowMs: () => Date.now(), sleep: async () => undefined };
  for (const isWallWanted of [false, true]) {
    for (const hostsAheadMax of [0, 1]) {
      const executor = new WasmExecutor({ clock, cacheFolder: join(folder, "cache"), isWallWanted, hostsAheadMax, folders });
      await executor.start();
      const bare: number[] = [];
      const runs: number[] = [];
      for (let i = 0; i < RUNS; i++) {
        await setTimeout(PAUSE_MS);
        bare.push(await timed(bareNode));
        await setTimeout(PAUSE_MS);
        runs.push(await timed(async () => await execute(executor, folder)));
      }
      report(`wall ${executor.wall}, ${hostsAheadMax} host(s) ahead`, runs, bare);
      await executor.close();
    }
  }
  await rm(folder, { recursive: true });
}

async function execute(executor: WasmExecutor, folder: string): Promise<void> {
  const run: RunSpec = {
    executionId: newExecutionId(ids),
    jobId: newJobId(ids),
    epoch: 1,
    engine: { name: "wasm", entryModule: "/app/noop.wasm", entrypoint: "_start", parameters: [] },
    env: {},
    mounts: [{ hostPath: MODULE, target: "/app/noop.wasm", isReadOnly: true }],
    limits: { cpuMillis: 1_000, memoryBytes: 64 * 1_024 * 1_024, diskBytes: 1_024, timeoutMs: 0 },
    door: NO_DOOR,
    scratchFolder: folder,
  };
  await executor.prepare(run, never);
  await executor.launch(run, { write: async () => undefined, bytesTaken: () => 0 }, never);
  const end = await executor.wait(run.executionId, never);
  if (end.exitCode !== 0) throw new Error(`the module ended badly: ${JSON.stringify(end)}`);
  await executor.remove(run.executionId);
}

async function bareNode(): Promise<void> {
  await once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit");
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function report(title: string, runs: readonly number[], bare: readonly number[]): void {
  const [runMs, bareMs] = [median(runs), median(bare)];
  console.log(`${title}: median ${runMs.toFixed(1)} ms; node -e 0: ${bareMs.toFixed(1)} ms; ratio ${(runMs / bareMs).toFixed(2)}`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
