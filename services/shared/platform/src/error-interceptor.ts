/* oxlint-disable max-params -- The Transport interface of Connect has six. */
import { randomUUID } from "node:crypto";
import type { DescMessage } from "@bufbuild/protobuf";
import type { Interceptor, StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import { fromConnectError, isAbort, isBug, toConnectError } from "./connect-errors.ts";
import type { Logger } from "./logger.ts";

/** Server side, outermost: maps whatever a handler throws, also while a stream is iterated; logs bugs with a request id. */
export function serverErrors(logger: Logger): Interceptor {
  return (next) => async (request) => {
    const convert = (thrown: unknown): Error => {
      // Timers and fetch throw their own AbortError; the signal knows whether the caller left, time ran out or the server stops.
      const error = request.signal.aborted && isAbort(thrown) ? request.signal.reason : thrown;
      const requestId = request.header.get("x-request-id") ?? randomUUID();
      if (isBug(error))
        logger.error({ method: `${request.service.typeName}/${request.method.name}`, requestId, err: error }, "call failed by a bug");
      return toConnectError(error, requestId);
    };
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: convertThrown(response.message, convert) } : response;
    } catch (error) {
      throw convert(error);
    }
  };
}

/**
 * Client side: a transport whose calls throw DomainErrors. A transport and not an interceptor, because Connect's own call runner
 * wraps whatever an interceptor throws into a ConnectError.
 */
export function clientErrors(transport: Transport): Transport {
  return {
    unary: async (method, signal, timeoutMs, header, input, contextValues): Promise<UnaryResponse<never, never>> => {
      try {
        return (await transport.unary(method, signal, timeoutMs, header, input, contextValues)) as UnaryResponse<never, never>;
      } catch (error) {
        throw fromConnectError(error, signal);
      }
    },
    stream: async (method, signal, timeoutMs, header, input, contextValues): Promise<StreamResponse<never, never>> => {
      try {
        const response = (await transport.stream(method, signal, timeoutMs, header, input, contextValues)) as StreamResponse<
          DescMessage,
          DescMessage
        >;
        const message = convertThrown(response.message, (error) => fromConnectError(error, signal));
        return { ...response, message } as unknown as StreamResponse<never, never>;
      } catch (error) {
        throw fromConnectError(error, signal);
      }
    },
  } as Transport;
}

async function* convertThrown<T>(messages: AsyncIterable<T>, convert: (error: unknown) => Error): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw convert(error);
  }
}
