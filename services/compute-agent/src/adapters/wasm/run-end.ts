import type { Failure, FailureClass, Reason } from "@skrei/domain";
import type { RunEnd, RunLimits } from "../../ports.ts";
import type { EndedMessage, HostExit } from "./host-process.ts";

export interface RunRecord {
  readonly limits: RunLimits;
  readonly moduleDigest: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly isStopped: boolean;
}

/** Judges how a run ended from what its host said and how its host died. */
export function toRunEnd(exit: HostExit, record: RunRecord): RunEnd {
  return {
    ...verdict(exit, record),
    startedAtMs: record.startedAtMs,
    endedAtMs: record.endedAtMs,
    peakMemoryBytes: exit.ended?.memoryBytes ?? 0,
    imageDigest: record.moduleDigest,
  };
}

type Verdict = Pick<RunEnd, "exitCode" | "failure">;

function verdict(exit: HostExit, record: RunRecord): Verdict {
  const { ended, signal, exitCode } = exit;
  if (ended !== undefined) return verdictOfGuest(ended, record);
  if (record.isStopped) {
    return { exitCode: KILLED, failure: failure("user", "KILLED_BY_SIGNAL", "the task was killed, as asked", "") };
  }
  // V8 aborts when its own heap is full; the kernel's out-of-memory killer sends SIGKILL.
  if (signal === "SIGABRT" || signal === "SIGKILL" || exitCode === ABORTED || exitCode === KILLED) {
    return outOfMemory(`the process around the module was ended by ${signal ?? "a signal"} for want of memory`);
  }
  const how = signal ?? `exit status ${exitCode ?? "unknown"}`;
  return { exitCode: undefined, failure: failure("infrastructure", "ENGINE_FAILED", `the WASM host process crashed (${how})`, "") };
}

function verdictOfGuest({ outcome, memoryBytes, isDiskFull }: EndedMessage, { limits }: RunRecord): Verdict {
  if (outcome.kind === "exit" && outcome.exitCode === 0) return { exitCode: 0, failure: undefined };
  const exitCode = outcome.kind === "exit" ? outcome.exitCode : undefined;
  if (isDiskFull && (outcome.kind === "exit" || outcome.kind === "trap")) {
    const message = `the task ended badly after it had tried to write more than its ${limits.diskBytes} bytes of disk`;
    return { exitCode, failure: failure("resource", "OUT_OF_DISK", message, "Ask for more disk.") };
  }
  switch (outcome.kind) {
    case "exit":
      return isNearLimit(memoryBytes, limits)
        ? outOfMemory(memoryMessage(memoryBytes, limits), exitCode)
        : { exitCode, failure: undefined };
    case "trap": {
      if (isNearLimit(memoryBytes, limits)) return outOfMemory(memoryMessage(memoryBytes, limits));
      const message = `the module trapped: ${outcome.message} (it had ${memoryBytes} of ${limits.memoryBytes} bytes of memory)`;
      return { exitCode, failure: failure("user", "MODULE_TRAPPED", message, "") };
    }
    case "outOfMemory":
      return outOfMemory(`the module needs more memory to begin than the ${limits.memoryBytes} bytes it may use: ${outcome.message}`);
    case "invalid":
      return { exitCode, failure: failure("user", "MODULE_INVALID", outcome.message, "") };
    case "fault":
      return { exitCode, failure: failure("infrastructure", "ENGINE_FAILED", `the WASM host failed: ${outcome.message}`, "") };
  }
}

/**
 * V8 does not tell when a guest was refused memory. Allocators grow in steps, so one that ends badly
 * within a sixteenth of its limit was refused.
 */
function isNearLimit(memoryBytes: number, limits: RunLimits): boolean {
  return memoryBytes >= limits.memoryBytes * (15 / 16);
}

function memoryMessage(memoryBytes: number, limits: RunLimits): string {
  return `the task ended badly with ${memoryBytes} of the ${limits.memoryBytes} bytes of memory it may use`;
}

function outOfMemory(message: string, exitCode: number = KILLED): Verdict {
  return { exitCode, failure: failure("resource", "OUT_OF_MEMORY", message, "Ask for more memory.") };
}

function failure(failureClass: FailureClass, reason: Reason, message: string, hint: string): Failure {
  return { class: failureClass, reason, message, hint };
}

const KILLED = 137;
const ABORTED = 134;
