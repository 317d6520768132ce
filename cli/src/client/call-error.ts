import { ConnectError } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { fromConnectError } from "@skrei/platform/connect-errors.ts";
import type { ServerSettings } from "./settings.ts";

/** The error of a call in our terms; an unreachable cluster names its address and where that came from. */
export function toCallError(error: unknown, settings: ServerSettings | undefined): DomainError | undefined {
  if (error instanceof DomainError) return withCluster(error, settings);
  if (!(error instanceof ConnectError)) return undefined;
  if (error.cause instanceof DomainError) return withCluster(error.cause, settings);
  const domainError = withCluster(fromConnectError(error), settings);
  if (domainError.reason !== "UNREACHABLE" || settings === undefined) return domainError;
  const code = systemCode(error);
  return new DomainError(
    "unavailable",
    "UNREACHABLE",
    `No cluster answers at ${settings.server}${code === undefined ? "" : ` (${WORDS[code] ?? code})`}; the address is from ${settings.origin}.`,
    {
      hint: "Start one here with `skrei dev`, or name another: --server URL or SKREI_SERVER.",
    },
  );
}

/** What is not there may be in another cluster, so the one that was asked is named. */
function withCluster(error: DomainError, settings: ServerSettings | undefined): DomainError {
  if (settings === undefined || !NAMES_CLUSTER.has(error.reason) || error.message.includes(settings.server)) return error;
  const { kind, reason, metadata, violations, cause } = error;
  const message = `${error.message.replace(/\.$/u, "")} (at ${settings.server}).`;
  return new DomainError(kind, reason, message, { metadata, violations, cause });
}

const NAMES_CLUSTER: ReadonlySet<string> = new Set(["JOB_NOT_FOUND", "NODE_NOT_FOUND", "EXECUTION_NOT_FOUND"]);

/** True for what a reconnect can heal. */
export function isConnectionLost(error: unknown): boolean {
  const domainError = toCallError(error, undefined);
  return (
    domainError !== undefined &&
    (domainError.kind === "unavailable" || domainError.kind === "timeout") &&
    domainError.reason !== "INTERNAL_ERROR"
  );
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name does not resolve",
  ETIMEDOUT: "no answer in time",
  EHOSTUNREACH: "no route to the host",
};

function systemCode(error: unknown): string | undefined {
  for (let current: unknown = error, depth = 0; current instanceof Error && depth < 8; depth++) {
    if ("code" in current && typeof current.code === "string") return current.code;
    current = current.cause;
  }
  return undefined;
}
