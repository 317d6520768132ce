import { fileURLToPath } from "node:url";
import type { Mount } from "@skrei/compute-agent/ports";
import type { WasmEngine } from "@skrei/domain";
import type { Program } from "./program.ts";

/** The engine and the mount of a module of test/wasm. */
export interface WasmTask {
  readonly engine: WasmEngine;
  readonly mounts: readonly Mount[];
}

export function wasmTask(
  module: string,
  { parameters = [], entrypoint = "_start" }: { parameters?: readonly string[]; entrypoint?: string } = {},
): WasmTask {
  const entryModule = `/app/${module}.wasm`;
  const hostPath = fileURLToPath(new URL(`../wasm/${module}.wasm`, import.meta.url));
  return {
    engine: { name: "wasm", entryModule, entrypoint, parameters },
    mounts: [{ hostPath, target: entryModule, isReadOnly: true }],
  };
}

/** The programs of the executor contract, as test/wasm/program.c runs them. */
export function wasmProgram(program: Program): WasmTask {
  return wasmTask("program", { parameters: parametersOf(program) });
}

function parametersOf(program: Program): readonly string[] {
  switch (program.does) {
    case "exit":
      return ["exit", String(program.code)];
    case "print":
      return ["print", program.stdout, program.stderr];
    case "printLines":
      return ["printLines", String(program.count), String(program.pauseMs)];
    case "printEnv":
      return ["printEnv", program.name];
    case "printFile":
      return ["printFile", program.path];
    case "writeFile":
      return ["writeFile", program.path, program.text];
    case "runForever":
      return ["runForever"];
    case "useMemory":
      return ["useMemory", String(program.bytes)];
  }
}
