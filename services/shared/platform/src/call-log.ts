import { Code, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { DomainError } from "@skrei/domain";
import { toConnectError } from "./connect-errors.ts";
import type { Logger } from "./logger.ts";

/**
 * One line for each call that a server answered, streams at their end: method, code, reason and duration. Debug for what went well
 * or is the caller's to fix, warn for what an operator may want to see. Put it right after `serverErrors`.
 */
export function callLog(logger: Logger): Interceptor {
  return (next) => async (request) => {
    const startMs = performance.now();
    const log = (error?: unknown): void => {
      const { code, reason } = describe(error);
      const fields = {
        event: "call.ended",
        method: `${request.service.typeName}/${request.method.name}`,
        code,
        reason,
        durationMs: Math.round(performance.now() - startMs),
      };
      if (WARNED.has(code)) logger.warn(fields, "call failed");
      else logger.debug(fields, "call answered");
    };
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: logAtEnd(response.message, log) };
      log();
      return response;
    } catch (error) {
      log(error);
      throw error;
    }
  };
}

async function* logAtEnd<T>(messages: AsyncIterable<T>, log: (error?: unknown) => void): AsyncGenerator<T> {
  let failure: unknown;
  try {
    yield* messages;
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    log(failure);
  }
}

function describe(error: unknown): { code: string; reason: string } {
  if (error === undefined) return { code: "ok", reason: "" };
  return { code: codeToString(toConnectError(error).code), reason: error instanceof DomainError ? error.reason : "" };
}

const WARNED: ReadonlySet<string> = new Set(
  [Code.Internal, Code.Unknown, Code.DataLoss, Code.Unavailable, Code.DeadlineExceeded].map(codeToString),
);
