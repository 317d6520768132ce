import { execFileSync } from "node:child_process";
import { WasmExecutor } from "@skrei/compute-agent/wasm-executor";
import { CollectedOutput } from "./collected-output.ts";
import { eventually } from "./eventually.ts";
import { wasmProgram } from "./wasm-modules.ts";
import { wallClock, wasmSpec } from "./wasm-run.ts";

/** A process that stands for an agent: runs a module that never ends, has a host wait ahead, and prints the ids of all processes below it. */
const [cacheFolder = "", wall = ""] = process.argv.slice(2);
const executor = new WasmExecutor({ clock: wallClock, cacheFolder, isWallWanted: wall === "wall" });
await executor.start();
const output = new CollectedOutput();
await executor.launch(wasmSpec(wasmProgram({ does: "runForever", ignoresTerm: false })), output, AbortSignal.timeout(10_000));
await eventually(
  () => output.stdout,
  (text) => text.includes("ready"),
  { withinMs: 10_000 },
);
process.stdout.write(`${JSON.stringify({ wall: executor.wall, pids: descendantsOf(process.pid) })}\n`);

function descendantsOf(pid: number): number[] {
  const rows = execFileSync("/bin/ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" });
  const processes = rows.split("\n").map((row) => row.trim().split(/\s+/u));
  const childrenOf = (parent: number): number[] =>
    processes
      .filter(([, ppid, name]) => Number(ppid) === parent && name !== "ps")
      .flatMap(([child]) => [Number(child), ...childrenOf(Number(child))]);
  return childrenOf(pid);
}
