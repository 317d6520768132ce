import type { Reason } from "./reasons.ts";

/** Who must act: the job's author, whoever sets limits, the cluster's operator. */
export type FailureClass = "user" | "resource" | "infrastructure";

/** Why an execution or a job ended badly. The execution's own failure always outranks the scheduler's words. */
export interface Failure {
  readonly class: FailureClass;
  readonly reason: Reason;
  /** What happened, in a sentence, with numbers. */
  readonly message: string;
  /** What to do next; empty when there is nothing. */
  readonly hint: string;
}
