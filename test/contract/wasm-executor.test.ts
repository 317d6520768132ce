import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { WasmExecutor } from "@skrei/compute-agent/wasm-executor";
import { afterAll, describe } from "vitest";
import { wasmProgram } from "../kit/wasm-modules.ts";
import { describeExecutor } from "./executor-suite.ts";

const cacheFolder = await mkdtemp(join(tmpdir(), "wasm-executor-"));
afterAll(() => rm(cacheFolder, { recursive: true, force: true }));

const clock = {
  nowMs: () => Date.now(),
  sleep: async (delayMs: number, signal: AbortSignal) => await setTimeout(delayMs, undefined, { signal }),
};

describe.for([{ isWallWanted: true }, { isWallWanted: false }])("wall wanted: $isWallWanted", ({ isWallWanted }) => {
  describeExecutor("WASM modules in processes of their own", {
    create: () => new WasmExecutor({ clock, cacheFolder, isWallWanted }),
    taskFor: wasmProgram,
    supports: { adoption: false, readOnlyMounts: true, hostData: isWallWanted, memoryLimit: true },
    unpreparable: {
      engine: { name: "wasm", entryModule: "/app/absent.wasm", entrypoint: "_start", parameters: [] },
      reason: "MODULE_NOT_FOUND",
    },
  });
});
