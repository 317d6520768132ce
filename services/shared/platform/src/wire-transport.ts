/* oxlint-disable max-params -- The Transport interface of Connect has six. */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  fromBinary,
  isMessage,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { CallSignal } from "./call-signal.ts";
import { fromConnectError } from "./connect-errors.ts";
import type { Wire } from "./wire.ts";

/** A unary call without a time-out of its own gets this one: requests always end. */
export const UNARY_TIMEOUT_MS = 30_000;

/** A Connect transport over `wire`: binary Protobuf, deadlines and cancellation as Connect has them, DomainErrors to callers. */
export function createWireTransport(wire: Wire): Transport {
  return {
    unary: async (method, caller, timeoutMs = UNARY_TIMEOUT_MS, header, input) => {
      const call = new CallSignal(caller, timeoutMs);
      try {
        const body = encode(method.input, input);
        const reply = await wire.unary({ ...namesOf(method), header: new Headers(header), body, timeoutMs, signal: call.signal });
        const message = fromBinary(method.output, reply.body);
        return { stream: false, service: method.parent, method, header: reply.header, trailer: reply.trailer, message };
      } catch (error) {
        throw asDomainError(error, call.signal);
      } finally {
        call[Symbol.dispose]();
      }
    },
    stream: async (method, caller, timeoutMs, header, input) => {
      const call = new CallSignal(caller, timeoutMs);
      try {
        const body = await onlyRequest(method, input);
        const reply = await wire.stream({ ...namesOf(method), header: new Headers(header), body, timeoutMs, signal: call.signal });
        const message = decode(method.output, reply.messages, call);
        return { stream: true, service: method.parent, method, header: reply.header, trailer: reply.trailer, message };
      } catch (error) {
        call[Symbol.dispose]();
        throw asDomainError(error, call.signal);
      }
    },
  };
}

function namesOf(method: DescMethod): { service: string; method: string } {
  return { service: method.parent.typeName, method: method.name };
}

function encode<I extends DescMessage>(desc: I, input: MessageInitShape<I>): Uint8Array {
  return toBinary(desc, isMessage(input, desc) ? (input as MessageShape<I>) : create(desc, input));
}

async function onlyRequest<I extends DescMessage, O extends DescMessage>(
  method: DescMethodStreaming<I, O>,
  messages: AsyncIterable<MessageInitShape<I>>,
): Promise<Uint8Array> {
  if (method.methodKind !== "server_streaming") {
    throw new DomainError("invalid", "FEATURE_NOT_AVAILABLE", `${method.name} streams requests, which the bus does not carry`, {
      hint: "call it over HTTP, or send the requests as unary calls",
    });
  }
  for await (const message of messages) return encode(method.input, message);
  throw new DomainError("invalid", "FIELD_REQUIRED", `${method.name} was called without a request`);
}

async function* decode<O extends DescMessage>(
  output: O,
  bodies: AsyncIterable<Uint8Array>,
  call: CallSignal,
): AsyncGenerator<MessageShape<O>> {
  try {
    for await (const body of bodies) yield fromBinary(output, body);
  } catch (error) {
    throw asDomainError(error, call.signal);
  } finally {
    call[Symbol.dispose]();
  }
}

/** A call that was aborted fails for that reason, whatever the wire made of it; an answer of the server stands. */
function asDomainError(error: unknown, signal: AbortSignal): DomainError {
  const isAnswer = error instanceof ConnectError && error.isWireError;
  if (!signal.aborted || isAnswer) return fromConnectError(error);
  if (signal.reason instanceof DomainError && signal.reason.kind === "timeout") return signal.reason;
  return fromConnectError(new ConnectError("the call was aborted", Code.Canceled, undefined, undefined, signal.reason), signal);
}
