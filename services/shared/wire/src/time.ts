import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

/** Milliseconds since 1970, fractions included, as a Timestamp. */
export function timestampFromMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  const nanos = Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1_000_000));
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos });
}

/** Milliseconds since 1970. */
export function msFromTimestamp(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1000 + timestamp.nanos / 1_000_000;
}

/** Milliseconds since 1970, or 0 when absent. */
export function msOrZero(timestamp: Timestamp | undefined): number {
  return timestamp === undefined ? 0 : msFromTimestamp(timestamp);
}

/** Milliseconds, or 0 when absent; parts of one are rounded up, so that a positive duration stays positive. */
export function msFromDuration(duration: Duration | undefined): number {
  if (duration === undefined) return 0;
  return Number(duration.seconds) * 1000 + Math.ceil(duration.nanos / 1_000_000);
}
