import { readSync, writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { checkModule } from "./check-module.ts";
import { CONTROL_FD, WASI_MODULE, WASM_PAGE_BYTES, type HostMessage, type HostRun } from "./host-protocol.ts";
import { httpRequestCall } from "./http-call.ts";
import { HTTP_MODULE } from "./http-protocol.ts";
import { loadModule } from "./load-module.ts";
import { runGuest } from "./run-guest.ts";
import { createWasiHost } from "./wasi-host.ts";

/**
 * The process around one guest. It may be started ahead: it waits on stdin until it is told what to run,
 * runs that once and ends. It also ends when the agent goes away, as stdin then ends.
 */
function main(): void {
  const description = readLine();
  if (description === "") return;
  const run = JSON.parse(description) as HostRun;
  // Before the first module compiles: later V8 would not look at it again.
  setFlagsFromString(`--wasm-max-mem-pages=${Math.floor(run.memoryBytes / WASM_PAGE_BYTES)}`);
  const loaded = loadModule(run);
  if ("type" in loaded) return send(loaded);
  const host = createWasiHost({ ...run, args: [run.entryModule, ...run.parameters] });
  const imports = { [WASI_MODULE]: host.imports, [HTTP_MODULE]: { http_request: httpRequestCall(host.memory, run.hasDoor) } };
  const problem = checkModule(loaded.module, run.entrypoint, imports);
  if (problem !== undefined) return send({ type: "refused", reason: "MODULE_INVALID", message: problem });
  send({ type: "ready", moduleDigest: loaded.digest });
  if (readLine() !== "go") return;
  const outcome = runGuest(loaded.module, run.entrypoint, { imports, memory: host.memory });
  send({ type: "ended", outcome, memoryBytes: host.memory.sizeBytes, isDiskFull: host.quota.wasExceeded });
}

/** Blocks; empty at the end of stdin. */
function readLine(): string {
  const chunk = Buffer.alloc(65_536);
  const parts: Buffer[] = [];
  for (;;) {
    const length = readSync(0, chunk);
    if (length === 0) return "";
    const line = chunk.subarray(0, length);
    if (line.at(-1) === NEWLINE) return Buffer.concat([...parts, line.subarray(0, -1)]).toString();
    parts.push(Buffer.from(line));
  }
}

function send(message: HostMessage): void {
  writeSync(CONTROL_FD, `${JSON.stringify(message)}\n`);
}

const NEWLINE = 10;

main();
