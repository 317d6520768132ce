import { DomainError } from "@skrei/domain";

/** The engine's answer to a request that it refused. */
interface EngineRefusal {
  readonly statusCode: number;
  readonly message: string;
}

/**
 * Makes one call to the engine with a time-out: engine 20.10 can deadlock inside a call and still answer others.
 * @throws DomainError unavailable/ENGINE_FAILED when the engine is gone or silent; the engine's own refusals pass through.
 */
export async function engineCall<T>(what: string, timeoutMs: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    return await abortable(call(timeout), timeout);
  } catch (error) {
    if (statusOf(error) !== undefined) throw error;
    if (timeout.aborted) throw engineFailed(`the Docker engine did not answer "${what}" within ${String(timeoutMs / 1000)} s`, error);
    throw engineFailed(`the Docker engine cannot be reached for "${what}"`, error);
  }
}

/** `promise`, or the signal's reason as soon as that is aborted; not every call of the engine's client can be cancelled. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const leave = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

/** The HTTP status of a refusal by the engine, else undefined. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { statusCode } = error as Partial<EngineRefusal>;
  return typeof statusCode === "number" ? statusCode : undefined;
}

/** The engine's words, without docker-modem's prefix. */
export function refusalText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^\(HTTP code \d+\) [^-]* - /u, "").trim();
}

export function engineFailed(message: string, cause?: unknown): DomainError {
  return new DomainError("unavailable", "ENGINE_FAILED", message, { cause, hint: "check the Docker engine of the node: skrei doctor" });
}
