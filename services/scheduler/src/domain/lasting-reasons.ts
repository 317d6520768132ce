import type { Reason } from "@skrei/domain";

/** Whether a node that gives this reason will give it again: asking it once more soon is of no use. */
export function isLasting(reason: Reason | undefined): boolean {
  return reason !== undefined && LASTING.has(reason);
}

/** A pull or a fetch may succeed later, but what it lacks (a name, an access) is mostly wrong for good, and it was tried for long. */
const LASTING: ReadonlySet<Reason> = new Set<Reason>([
  "IMAGE_NOT_FOUND",
  "IMAGE_PULL_FAILED",
  "MODULE_NOT_FOUND",
  "MODULE_INVALID",
  "ENGINE_MISSING",
  "NETWORK_MODE_NOT_OFFERED",
  "NETWORK_DOMAIN_NOT_ALLOWED",
  "CAPACITY_TOO_SMALL",
  "SANDBOX_FAILED",
  "SOURCE_NOT_ALLOWED",
  "SOURCE_ACCESS_DENIED",
  "SOURCE_UNREACHABLE",
  "SOURCE_TYPE_UNSUPPORTED",
  "SOURCE_TOO_LARGE",
  "TARGET_NOT_OFFERED",
]);
