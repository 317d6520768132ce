import type { DescService } from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient as createConnectClient, type Transport } from "@connectrpc/connect";

/**
 * Connect's client, with one difference: leaving a server stream early (`break`, `return()`, a throw in the loop) cancels the call.
 * Connect's own drops `return`, so its handler would go on until a signal aborts.
 */
export function createClient<Service extends DescService>(service: Service, transport: Transport): Client<Service> {
  const client = createConnectClient(service, transport) as Record<string, unknown>;
  for (const method of service.methods) {
    if (method.methodKind !== "server_streaming") continue;
    const call = client[method.localName] as StreamCall;
    client[method.localName] = (input: unknown, options: CallOptions = {}) => cancelOnReturn(call, input, options);
  }
  return client as Client<Service>;
}

type StreamCall = (input: unknown, options: CallOptions) => AsyncIterable<unknown>;

function cancelOnReturn(call: StreamCall, input: unknown, options: CallOptions): AsyncIterable<unknown> {
  return {
    async *[Symbol.asyncIterator]() {
      const left = new AbortController();
      const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
      try {
        yield* call(input, { ...options, signal });
      } finally {
        left.abort();
      }
    },
  };
}
