import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import type { Bus, BusAddress } from "./bus.ts";
import { serverErrors } from "./error-interceptor.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { subjectsOf } from "./subjects.ts";
import type { Wire, WireCall } from "./wire.ts";
import { decodeError, encodeError } from "./wire-error.ts";
import { collectRoutes, unimplemented, type WireMethod } from "./wire-server.ts";
import { createWireTransport } from "./wire-transport.ts";

/** A bus within one process. Messages and errors are encoded and decoded as on a real wire, so nothing passes by reference. */
export function createMemoryBus({ logger = silentLogger }: { readonly logger?: Logger } = {}): Bus {
  // Real subjects, so that an address that no real bus could carry is refused here too.
  const subjects = subjectsOf("memory");
  const servers = new Map<string, MemoryServer[]>();
  let isClosed = false;
  let turn = 0;

  const pick = (address: BusAddress, key: string): MemoryServer => {
    if (isClosed) throw new DomainError("unavailable", "BUS_UNAVAILABLE", "the bus is closed");
    const candidates = servers.get(key) ?? [];
    const server = candidates[turn++ % Math.max(candidates.length, 1)];
    if (server === undefined) throw noResponder(address);
    return server;
  };

  return {
    transport: (address) => {
      const key = subjects.calls(address);
      return createWireTransport(memoryWire(() => pick(address, key)));
    },
    serve: async (address, routes, interceptors = []) => {
      if (isClosed) throw new DomainError("unavailable", "BUS_UNAVAILABLE", "the bus is closed");
      const key = subjects.calls(address);
      const server = memoryServer(routes, [serverErrors(logger), ...interceptors]);
      servers.set(key, [...(servers.get(key) ?? []), server]);
      return {
        [Symbol.asyncDispose]: async () => {
          servers.set(
            key,
            (servers.get(key) ?? []).filter((other) => other !== server),
          );
          server.stop.abort(shuttingDown());
        },
      };
    },
    state: () => (isClosed ? "closed" : "connected"),
    close: async () => {
      isClosed = true;
      for (const server of [...servers.values()].flat()) server.stop.abort(shuttingDown());
      servers.clear();
    },
  };
}

/** Nobody serves the address. */
export function noResponder(address: BusAddress): DomainError {
  const who = address.kind === "scheduler" ? "no scheduler" : `no agent of node ${address.nodeId}`;
  return new DomainError("unavailable", "NO_RESPONDER", `${who} is listening on the bus`);
}

/** The server of an open call stops. */
export function shuttingDown(): DomainError {
  return new DomainError("unavailable", "SHUTTING_DOWN", "the service is stopping");
}

interface MemoryServer {
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly stop: AbortController;
}

function memoryServer(routes: (router: ConnectRouter) => void, interceptors: Interceptor[]): MemoryServer {
  return { methods: collectRoutes(routes, interceptors), stop: new AbortController() };
}

function memoryWire(pick: () => MemoryServer): Wire {
  const open = (call: WireCall): { method: WireMethod; call: WireCall } => {
    const server = pick();
    const name = `${call.service}.${call.method}`;
    const method = server.methods.get(name);
    if (method === undefined) throw unimplemented(name);
    return { method, call: { ...call, shutdownSignal: server.stop.signal } };
  };
  return {
    unary: async (outgoing) => {
      const { method, call } = open(outgoing);
      try {
        return await method.unary(call);
      } catch (error) {
        throw throughTheWire(error);
      }
    },
    stream: async (outgoing) => {
      const { method, call } = open(outgoing);
      const reply = method.stream(call);
      const messages = reply.messages[Symbol.asyncIterator]();
      // Handlers may set headers until their first message, as over HTTP.
      const first = await messages.next().catch((error: unknown) => Promise.reject(throughTheWire(error)));
      return { header: reply.header, trailer: reply.trailer, messages: rest(first, messages, call.signal) };
    },
  };
}

async function* rest(
  first: IteratorResult<Uint8Array>,
  messages: AsyncIterator<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  // The reader's client does not call `return`; the signal tells that it has left.
  const onAbort = (): void => void messages.return?.().catch(() => undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for (let step = first; step.done !== true; step = await messages.next()) yield step.value;
  } catch (error) {
    throw throughTheWire(error);
  } finally {
    signal.removeEventListener("abort", onAbort);
    onAbort();
  }
}

function throughTheWire(error: unknown): Error {
  return decodeError(encodeError(error, Number.POSITIVE_INFINITY));
}
