import { isExecutionEnded } from "@skrei/domain";
import type { ExecutionRecord } from "./execution-record.ts";

/** What to do next for one execution. */
export type ExecutionStep =
  | "nothing"
  /** Inputs, door, sandbox, launch. */
  | "prepare"
  /** Wait for the run's end, taking it up again first if an earlier agent launched it. */
  | "attend"
  /** Keep the result folder of a run that failed, as well as it can be done, then say failed. */
  | "keepFailed"
  /** Hash the result folder and offer it. */
  | "propose"
  | "awaitVerdict"
  | "publish"
  | "discard"
  | "cancel";

/**
 * The next step, from what the journal says and the scheduler wants; the same after a crash as before. What a step had
 * already done when the agent died, it does again: every verb it uses may be repeated.
 */
export function nextStep({ assignment, observed, isReleased }: ExecutionRecord): ExecutionStep {
  if (isExecutionEnded(observed.state)) return "nothing";
  if (assignment.desired === "stop" || isReleased) return "cancel";
  switch (observed.state) {
    case "assigned":
    case "preparing":
      return "prepare";
    case "running":
      return observed.failure === undefined ? "attend" : "keepFailed";
    case "proposing":
    case "publishing":
      return stepWithResult(assignment, observed);
    case "completed":
    case "failed":
    case "rejected":
    case "cancelled":
    case "discarded":
    case "lost":
      return "nothing";
  }
}

function stepWithResult(assignment: ExecutionRecord["assignment"], observed: ExecutionRecord["observed"]): ExecutionStep {
  if (assignment.verdict === "rejected") return "discard";
  if (observed.result === undefined) return "propose";
  const isAccepted = assignment.isAcceptedAtOnce || assignment.verdict === "accepted";
  return isAccepted || observed.state === "publishing" ? "publish" : "awaitVerdict";
}
