import { DomainError } from "@skrei/domain";
import type { LeaseAnswer } from "../ports.ts";
import type { LeaderParts } from "./term-context.ts";

/**
 * Competes for the lease; while it is held, runs `lead` with a signal that is aborted when the lease is lost or cannot be
 * renewed in time. Returns when `signal` is aborted, with the lease given up.
 */
export async function runLease(
  parts: LeaderParts,
  lead: (term: number, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, store, options, holder, logger } = parts;
  const pauseMs = options.leaseTtlMs / RENEWALS_PER_TTL;
  const giveUp = (): Promise<void> =>
    store.releaseLease(holder).catch((error: unknown) => logger.warn({ err: error }, "lease was not given up, it runs out"));
  let ledTerm: number | undefined;
  try {
    while (!signal.aborted) {
      const sentAtMs = clock.nowMs();
      const answer = await acquire(parts);
      // A term is led once: tokens and asks of another start of it would be taken for those that nodes have seen already.
      if (answer?.isHeld === true && answer.term === ledTerm) await giveUp();
      else if (answer?.isHeld === true) {
        ledTerm = answer.term;
        await holdTerm(parts, { term: answer.term, sentAtMs, lead, signal });
      }
      if (!signal.aborted) await clock.sleep(pauseMs, signal).catch(ignoreAbort);
    }
  } finally {
    await giveUp();
  }
}

interface HeldLease {
  readonly term: number;
  readonly sentAtMs: number;
  readonly lead: (term: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
}

async function holdTerm(parts: LeaderParts, { term, sentAtMs, lead, signal }: HeldLease): Promise<void> {
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  const end = (why: DomainError): void => ended.abort(why);
  const leading = lead(term, either).catch((error: unknown) => {
    if (!either.aborted) parts.logger.error({ err: error, term }, "term ended");
    end(new DomainError("conflict", "TERM_STALE", `Term ${String(term)} has ended.`, { cause: error }));
  });
  await renew(parts, { term, sentAtMs, end, signal: either });
  await leading;
}

/** Renews until the lease is lost; then calls `end`. */
async function renew(
  parts: LeaderParts,
  held: { term: number; sentAtMs: number; end: (why: DomainError) => void; signal: AbortSignal },
): Promise<void> {
  const { clock, options } = parts;
  let validUntilMs = held.sentAtMs + options.leaseTtlMs;
  while (!held.signal.aborted) {
    await clock.sleep(options.leaseTtlMs / RENEWALS_PER_TTL, held.signal).catch(ignoreAbort);
    if (held.signal.aborted) return;
    const sentAtMs = clock.nowMs();
    const answer = await Promise.race([acquire(parts), expired(parts, validUntilMs, held.signal)]);
    const isOurs = answer?.isHeld === true && answer.term === held.term;
    if (isOurs) validUntilMs = sentAtMs + options.leaseTtlMs;
    if (isOurs || (answer === undefined && clock.nowMs() < validUntilMs)) continue;
    held.end(new DomainError("conflict", "TERM_STALE", `The lease of term ${String(held.term)} was lost.`));
  }
}

/** Undefined when the store does not answer: the lease may or may not be ours. */
async function acquire({ store, holder, options, logger }: LeaderParts): Promise<LeaseAnswer | undefined> {
  try {
    return await store.acquireLease({ holder, ttlMs: options.leaseTtlMs });
  } catch (error) {
    if (error instanceof DomainError && error.kind === "unavailable") logger.warn({ err: error }, "store does not answer for the lease");
    else logger.error({ err: error }, "lease was not acquired");
    return undefined;
  }
}

async function expired({ clock }: LeaderParts, atMs: number, signal: AbortSignal): Promise<undefined> {
  await clock.sleep(Math.max(0, atMs - clock.nowMs()), signal).catch(ignoreAbort);
  return undefined;
}

/** The caller looks at its own signal. */
function ignoreAbort(): void {}

const RENEWALS_PER_TTL = 3;
