import { fromBinary, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createHandlerContext,
  createMethodImplSpec,
  createServiceImplSpec,
  type HandlerContext,
  type Interceptor,
  type MethodImplSpec,
} from "@connectrpc/connect";
import { createAsyncIterable, invokeUnaryImplementation, transformInvokeImplementation } from "@connectrpc/connect/protocol";
import { toConnectError } from "./connect-errors.ts";
import type { WireCall, WireReply, WireStream } from "./wire.ts";

/** One method that somebody serves. */
export interface WireMethod {
  readonly isStream: boolean;
  /** Runs the handler. Rejects with a ConnectError. */
  unary(call: WireCall): Promise<WireReply>;
  /** Starts the handler at the first `next`. Throws ConnectErrors while iterated. */
  stream(call: WireCall): WireStream;
}

/** What `routes` registers, by `<package.Service>.<Method>`. */
export function collectRoutes(routes: (router: ConnectRouter) => void, interceptors: Interceptor[]): ReadonlyMap<string, WireMethod> {
  const methods = new Map<string, WireMethod>();
  const add = (spec: MethodImplSpec, own: Interceptor[] = []): void => {
    methods.set(`${spec.method.parent.typeName}.${spec.method.name}`, wireMethod(spec, [...interceptors, ...own]));
  };
  const router: ConnectRouter = {
    handlers: [],
    service: (service, implementation, options) => {
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) add(spec, options?.interceptors);
      return router;
    },
    rpc: (method, implementation, options) => {
      add(createMethodImplSpec(method, implementation), options?.interceptors);
      return router;
    },
  };
  routes(router);
  return methods;
}

/** The error for a method that nobody registered at an address that is served. */
export function unimplemented(name: string): ConnectError {
  return new ConnectError(`${name} is not served here`, Code.Unimplemented);
}

function wireMethod(spec: MethodImplSpec, interceptors: Interceptor[]): WireMethod {
  return {
    isStream: spec.kind !== "unary",
    unary: async (call) => {
      if (spec.kind !== "unary") throw unimplemented(`${spec.method.name} as a unary call`);
      const context = contextOf(spec, call);
      try {
        const output = await orAborted(
          context.signal,
          invokeUnaryImplementation(spec, context, parse(spec.method.input, call.body), interceptors),
        );
        return { header: context.responseHeader, trailer: context.responseTrailer, body: toBinary(spec.method.output, output) };
      } catch (error) {
        throw toConnectError(error);
      } finally {
        context.abort(CALL_OVER);
      }
    },
    stream: (call) => {
      if (spec.kind !== "server_streaming") throw unimplemented(`${spec.method.name} as a server stream`);
      const context = contextOf(spec, call);
      const invoke = transformInvokeImplementation(spec, context, interceptors);
      return { header: context.responseHeader, trailer: context.responseTrailer, messages: answers(spec, context, call.body, invoke) };
    },
  };
}

async function* answers(
  spec: MethodImplSpec,
  context: ReturnType<typeof createHandlerContext>,
  body: Uint8Array,
  invoke: (input: AsyncIterable<MessageShape<DescMessage>>) => AsyncIterable<MessageShape<DescMessage>>,
): AsyncGenerator<Uint8Array> {
  let outputs: AsyncIterator<MessageShape<DescMessage>> | undefined;
  try {
    outputs = invoke(createAsyncIterable([parse(spec.method.input, body)]))[Symbol.asyncIterator]();
    for (
      let step = await orAborted(context.signal, outputs.next());
      step.done !== true;
      step = await orAborted(context.signal, outputs.next())
    ) {
      yield toBinary(spec.method.output, step.value);
    }
  } catch (error) {
    throw toConnectError(error);
  } finally {
    context.abort(CALL_OVER);
    // A handler that ignores its signal must not keep the call open; it ends at its next yield.
    void Promise.resolve(outputs?.return?.()).catch(() => undefined);
  }
}

function contextOf(spec: MethodImplSpec, call: WireCall): ReturnType<typeof createHandlerContext> {
  return createHandlerContext({
    service: spec.method.parent,
    method: spec.method,
    protocolName: "bus",
    requestMethod: "POST",
    url: `bus:/${spec.method.parent.typeName}/${spec.method.name}`,
    requestSignal: call.signal,
    ...(call.shutdownSignal !== undefined && { shutdownSignal: call.shutdownSignal }),
    requestHeader: call.header,
    ...(call.timeoutMs !== undefined && { timeoutMs: call.timeoutMs }),
  });
}

function parse<I extends DescMessage>(input: I, body: Uint8Array): MessageShape<I> {
  try {
    return fromBinary(input, body);
  } catch (error) {
    throw new ConnectError("the request is not a valid message", Code.InvalidArgument, undefined, undefined, error);
  }
}

/** Made once: the stack of an AbortError for each call cost a fifth of the call. */
const CALL_OVER = new DOMException("the call is over", "AbortError");

/** Settles as `work`, or rejects with the reason of `signal` if that aborts before. Leaves no listener behind. */
function orAborted<T>(signal: HandlerContext["signal"], work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
