/** What went wrong with a gateway. */
export type GatewayFault =
  /** It does not have the block, or does not give it; nothing is wrong with it otherwise. */
  | { readonly kind: "absent"; readonly words: string }
  /** It asks for patience. */
  | { readonly kind: "busy"; readonly words: string; readonly retryAfterMs: number | undefined }
  /** It may work in a moment. */
  | { readonly kind: "failed"; readonly words: string }
  /** It sent something else than was asked for, so nothing that it says is worth the time. */
  | { readonly kind: "misled"; readonly words: string };

/** How far a gateway is trusted to be of use. */
export interface GatewayStanding {
  /** In a row. */
  readonly failures: number;
  /** It is not asked before; 0 is at once. */
  readonly notBeforeMs: number;
  /** When that was decided; what was asked before says nothing new. */
  readonly decidedAtMs: number;
  /** Why it waits. */
  readonly words: string;
}

export const GOOD_STANDING: GatewayStanding = { failures: 0, notBeforeMs: 0, decidedAtMs: 0, words: "" };

/** The standing after a request that began at `askedAtMs`. */
export function standingAfter(
  standing: GatewayStanding,
  fault: GatewayFault,
  { askedAtMs, nowMs }: { readonly askedAtMs: number; readonly nowMs: number },
): GatewayStanding {
  if (fault.kind === "absent") return standing.notBeforeMs > nowMs ? standing : GOOD_STANDING;
  // Requests that ran side by side fail together; that is one failure.
  if (fault.kind !== "misled" && askedAtMs < standing.decidedAtMs) return standing;
  const failures = standing.failures + 1;
  return { failures, notBeforeMs: nowMs + pauseMs(fault, failures), decidedAtMs: nowMs, words: fault.words };
}

/** `Retry-After` in seconds or as a date; undefined when it is neither. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d{1,9}$/u.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}

function pauseMs(fault: Exclude<GatewayFault, { kind: "absent" }>, failures: number): number {
  if (fault.kind === "misled") return MISLED_PAUSE_MS;
  const backoffMs = Math.min(BACKOFF_MS * 2 ** Math.min(failures - 1, 20), BACKOFF_MS_MAX);
  return fault.kind === "busy" ? Math.min(fault.retryAfterMs ?? backoffMs, BUSY_PAUSE_MS_MAX) : backoffMs;
}

const MISLED_PAUSE_MS = 600_000;
const BUSY_PAUSE_MS_MAX = 300_000;
const BACKOFF_MS = 250;
const BACKOFF_MS_MAX = 60_000;
