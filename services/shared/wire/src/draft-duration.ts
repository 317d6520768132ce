import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Violations } from "@skrei/domain";
import { msFromDuration } from "./time.ts";

interface DurationField {
  readonly field: string;
  readonly duration: Duration | undefined;
  readonly violations: Violations;
}

/** Milliseconds. Absent is the default; zero is zero. */
export function draftDuration(defaultMs: number, { field, duration, violations }: DurationField): number {
  if (duration === undefined) return defaultMs;
  const ms = msFromDuration(duration);
  // Number.isSafeInteger keeps sums of such values exact; the rules say the real range.
  if (duration.nanos >= 0 && duration.nanos < 1_000_000_000 && ms >= 0 && Number.isSafeInteger(ms)) return ms;
  violations.found(field, `${duration.seconds} s and ${duration.nanos} ns`, "a duration that is not negative, such as 90s");
  return defaultMs;
}
