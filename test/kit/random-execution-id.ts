import { randomBytes } from "node:crypto";
import { type ExecutionId, newExecutionId } from "@skrei/domain";

/** An execution id that no other test has. */
export function randomExecutionId(): ExecutionId {
  return newExecutionId({ nowMs: () => Date.now(), randomBytes: () => randomBytes(10) });
}
