import type { GuestMemory } from "./guest-memory.ts";
import type { GuestOutcome } from "./host-protocol.ts";
import { GuestExit } from "./process-calls.ts";

/** What a guest may call: functions by module and name. */
export type GuestImports = Readonly<Record<string, Readonly<Record<string, (...args: unknown[]) => number>>>>;

/** Instantiates the module and runs it to its end. Never throws. */
export function runGuest(
  module: WebAssembly.Module,
  entrypoint: string,
  { imports, memory }: { readonly imports: GuestImports; readonly memory: GuestMemory },
): GuestOutcome {
  try {
    const { exports } = new WebAssembly.Instance(module, imports);
    if (exports["memory"] instanceof WebAssembly.Memory) memory.attach(exports["memory"]);
    const entry = exports[entrypoint];
    if (typeof entry !== "function" || entry.length > 0) {
      return { kind: "invalid", message: `the entry point "${entrypoint}" takes parameters, but is called without any` };
    }
    // A reactor expects this once before anything else; a command has `_start` only.
    const initialize = exports["_initialize"];
    if (entrypoint !== "_start" && typeof initialize === "function" && initialize !== entry) initialize();
    entry();
    return { kind: "exit", exitCode: 0 };
  } catch (error) {
    return outcomeOf(error);
  }
}

function outcomeOf(error: unknown): GuestOutcome {
  if (error instanceof GuestExit) return { kind: "exit", exitCode: error.exitCode };
  if (error instanceof WebAssembly.LinkError) return { kind: "invalid", message: error.message };
  if (error instanceof WebAssembly.RuntimeError) return { kind: "trap", message: error.message };
  if (error instanceof WebAssembly.Exception) return { kind: "trap", message: "uncaught exception" };
  if (error instanceof RangeError) {
    const kind = error.message.includes("memory") ? "outOfMemory" : "trap";
    return { kind, message: error.message };
  }
  return { kind: "fault", message: String(error) };
}
