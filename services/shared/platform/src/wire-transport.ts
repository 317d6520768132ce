/* oxlint-disable max-params -- The Transport interface of Connect has six. */
import { type DescMessage, type DescMethod, type DescMethodStreaming, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { createContextValues, type Transport } from "@connectrpc/connect";
import { createMethodUrl, runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import { DomainError } from "@skrei/domain";
import { clientErrors } from "./error-interceptor.ts";
import type { Wire } from "./wire.ts";

/** A unary call without a time-out of its own gets this one: requests always end. */
export const UNARY_TIMEOUT_MS = 30_000;

/** A Connect transport over `wire`: binary Protobuf, deadlines and cancellation as Connect has them, DomainErrors to callers. */
export function createWireTransport(wire: Wire): Transport {
  return clientErrors({
    unary: (method, signal, timeoutMs = UNARY_TIMEOUT_MS, header, input, contextValues) =>
      runUnaryCall({
        ...limits(signal, timeoutMs),
        req: { ...request(method, header), stream: false, method, message: input, contextValues: contextValues ?? createContextValues() },
        next: async (req) => {
          const body = toBinary(method.input, req.message);
          const reply = await wire.unary({ ...names(method), header: req.header, body, timeoutMs, signal: req.signal });
          const message = fromBinary(method.output, reply.body);
          return { stream: false, service: method.parent, method, header: reply.header, trailer: reply.trailer, message };
        },
      }),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      runStreamingCall({
        ...limits(signal, timeoutMs),
        req: { ...request(method, header), stream: true, method, message: input, contextValues: contextValues ?? createContextValues() },
        next: async (req) => {
          const body = await onlyRequest(method, req.message);
          const reply = await wire.stream({ ...names(method), header: req.header, body, timeoutMs, signal: req.signal });
          const message = decode(method.output, reply.messages);
          return { stream: true, service: method.parent, method, header: reply.header, trailer: reply.trailer, message };
        },
      }),
  });
}

function limits(signal: AbortSignal | undefined, timeoutMs: number | undefined): { signal?: AbortSignal; timeoutMs?: number } {
  return { ...(signal !== undefined && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) };
}

function request(method: DescMethod, header: ConstructorParameters<typeof Headers>[0]) {
  return { service: method.parent, requestMethod: "POST", url: createMethodUrl("bus:/", method), header: new Headers(header) };
}

function names(method: DescMethod): { service: string; method: string } {
  return { service: method.parent.typeName, method: method.name };
}

async function onlyRequest<I extends DescMessage, O extends DescMessage>(
  method: DescMethodStreaming<I, O>,
  messages: AsyncIterable<MessageShape<I>>,
): Promise<Uint8Array> {
  if (method.methodKind !== "server_streaming") {
    throw new DomainError("invalid", "FEATURE_NOT_AVAILABLE", `${method.name} streams requests, which the bus does not carry`, {
      hint: "call it over HTTP, or send the requests as unary calls",
    });
  }
  for await (const message of messages) return toBinary(method.input, message);
  throw new DomainError("invalid", "FIELD_REQUIRED", `${method.name} was called without a request`);
}

async function* decode<O extends DescMessage>(output: O, bodies: AsyncIterable<Uint8Array>): AsyncGenerator<MessageShape<O>> {
  for await (const body of bodies) yield fromBinary(output, body);
}
