import { DomainError, parseExecutionId } from "@skrei/domain";

/** Results are kept in folders named by execution. @throws DomainError invalid/FIELD_INVALID. */
export function checkExecutionId(executionId: string): void {
  if (parseExecutionId(executionId) === undefined) {
    throw new DomainError("invalid", "FIELD_INVALID", `"${executionId.slice(0, 64)}" is not an execution id.`, {
      hint: "Execution ids look like e-01k…, 28 characters.",
    });
  }
}
