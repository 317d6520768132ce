import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { NO_DOOR, type Door, type Mount, type RunEnd, type RunLimits, type RunSpec } from "@skrei/compute-agent/ports";
import type { WasmExecutor } from "@skrei/compute-agent/wasm-executor";
import { newExecutionId, newJobId } from "@skrei/domain";
import { CollectedOutput } from "./collected-output.ts";
import type { WasmTask } from "./wasm-modules.ts";

export interface WasmRunParts {
  readonly env?: Readonly<Record<string, string>>;
  readonly mounts?: readonly Mount[];
  readonly limits?: Partial<RunLimits>;
  /** Default NO_DOOR. */
  readonly door?: Door;
}

const MIB = 1_024 * 1_024;
const ids = { nowMs: () => Date.now(), randomBytes: () => randomBytes(10) };

export const wallClock = {
  nowMs: () => Date.now(),
  sleep: async (delayMs: number, signal: AbortSignal) => await setTimeout(delayMs, undefined, { signal }),
};

export function wasmSpec({ engine, mounts }: WasmTask, parts: WasmRunParts = {}): RunSpec {
  return {
    executionId: newExecutionId(ids),
    jobId: newJobId(ids),
    epoch: 1,
    engine,
    env: parts.env ?? {},
    mounts: [...mounts, ...(parts.mounts ?? [])],
    limits: { cpuMillis: 1_000, memoryBytes: 64 * MIB, diskBytes: 64 * MIB, timeoutMs: 0, ...parts.limits },
    door: parts.door ?? NO_DOOR,
    scratchFolder: "/nonexistent",
  };
}

/** Runs a module to its end and removes it. */
export async function runWasm(
  executor: WasmExecutor,
  task: WasmTask,
  parts: WasmRunParts = {},
): Promise<{ readonly end: RunEnd; readonly output: CollectedOutput }> {
  const spec = wasmSpec(task, parts);
  const output = new CollectedOutput();
  const signal = AbortSignal.timeout(30_000);
  try {
    await executor.launch(spec, output, signal);
    return { end: await executor.wait(spec.executionId, signal), output };
  } finally {
    await executor.remove(spec.executionId);
  }
}
