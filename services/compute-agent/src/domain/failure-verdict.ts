import { DomainError, type Failure, type FailureClass, type Reason } from "@skrei/domain";
import type { RunEnd } from "./run.ts";

/** How an error ends an execution: refused is nobody's fault and another node may try; failed counts. */
export interface FailureVerdict {
  readonly event: "refused" | "failed";
  readonly failure: Failure;
}

/** Before the task runs only the task's own faults fail it; whatever is the node's fault is a refusal. */
export function verdictBeforeRun(error: unknown): FailureVerdict {
  const failure = failureOf(error, "ENGINE_FAILED");
  return { event: failure.class === "infrastructure" ? "refused" : "failed", failure };
}

/** From the launch on everything is a failure; its class decides about a retry. */
export function verdictAfterLaunch(error: unknown): FailureVerdict {
  return { event: "failed", failure: failureOf(error, "ENGINE_FAILED") };
}

/** Why a run counts as failed; undefined when it ended well. `lastLine` is the last it wrote to stderr. */
export function failureOfRun(end: RunEnd, lastLine: string): Failure | undefined {
  if (end.failure !== undefined) return end.failure;
  if (end.exitCode === 0) return undefined;
  const said = lastLine === "" ? "" : `: ${lastLine}`;
  return {
    class: "user",
    reason: "EXIT_NONZERO",
    message: `the task ended with exit code ${end.exitCode ?? "unknown"}${said}`,
    hint: "its output and files are kept with the result",
  };
}

export function timeoutFailure(timeoutMs: number): Failure {
  return {
    class: "resource",
    reason: "EXECUTION_TIMEOUT",
    message: `the execution ran longer than the ${(timeoutMs / 1_000).toLocaleString("en-US")} s that it may`,
    hint: "raise the task's execution timeout",
  };
}

/** `detail` says what became of the run. */
export function restartFailure(detail: string): Failure {
  return { class: "infrastructure", reason: "AGENT_RESTARTED", message: `the agent restarted and ${detail}`, hint: "" };
}

function failureOf(error: unknown, reasonOfBugs: Reason): Failure {
  if (!(error instanceof DomainError)) {
    return {
      class: "infrastructure",
      reason: reasonOfBugs,
      message: "the node failed in a way that it did not expect",
      hint: "see the agent's log",
    };
  }
  return { class: classOf(error), reason: error.reason, message: error.message, hint: error.metadata["hint"] ?? "" };
}

function classOf(error: DomainError): FailureClass {
  // What is not there is the job's mistake; an origin that is away may be back, or be reached from another node.
  if (error.reason === "SOURCE_UNREACHABLE") return error.kind === "unavailable" || error.kind === "timeout" ? "infrastructure" : "user";
  const known = CLASSES[error.reason];
  if (known !== undefined) return known;
  return error.kind === "invalid" ? "user" : "infrastructure";
}

/** What the kind of an error does not say. What is about this node is infrastructure: another may take the task. */
const CLASSES: Partial<Record<Reason, FailureClass>> = {
  IMAGE_NOT_FOUND: "user",
  MODULE_NOT_FOUND: "user",
  MODULE_INVALID: "user",
  COMMAND_NOT_FOUND: "user",
  COMMAND_NOT_EXECUTABLE: "user",
  SOURCE_DIGEST_MISMATCH: "user",
  SOURCE_SIZE_MISMATCH: "user",
  SOURCE_NOT_ALLOWED: "infrastructure",
  SOURCE_TYPE_UNSUPPORTED: "infrastructure",
  NETWORK_MODE_NOT_OFFERED: "infrastructure",
  NETWORK_DOMAIN_NOT_ALLOWED: "infrastructure",
  DOOR_FAILED: "infrastructure",
  TARGET_NOT_OFFERED: "user",
  TARGET_REFUSED: "user",
  SOURCE_TOO_LARGE: "resource",
  RESULT_TOO_LARGE: "resource",
  OUT_OF_MEMORY: "resource",
  OUT_OF_DISK: "resource",
};
