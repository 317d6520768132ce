import { randomBytes } from "node:crypto";
import { AuthorizationError, connect, type NatsConnection } from "@nats-io/transport-node";
import { DomainError } from "@skrei/domain";
import type { Bus } from "./bus.ts";
import { systemClock } from "./clock.ts";
import { serverErrors } from "./error-interceptor.ts";
import type { Logger } from "./logger.ts";
import { NatsCaller } from "./nats-caller.ts";
import { NatsServer, type NatsServerOptions } from "./nats-server.ts";
import { subjectsOf } from "./subjects.ts";
import { collectRoutes } from "./wire-server.ts";
import { createWireTransport } from "./wire-transport.ts";

export interface NatsBusOptions {
  /** `nats://host:4222`; several are tried in turn. */
  readonly urls: readonly string[];
  readonly token?: string;
  /** Part of every subject: clusters may share a NATS server. */
  readonly cluster: string;
  /** Shown in the server's connection list. */
  readonly name: string;
  readonly logger: Logger;
  /** Stops waiting for the first connection. Without it, that wait ends after 30 s. */
  readonly signal?: AbortSignal;
  /** How often both ends of an open stream are heard; three silences end it. Default 2,000. */
  readonly beatIntervalMs?: number;
}

/**
 * A bus over NATS core; it reconnects for ever. Calls that are open when the connection breaks fail at once.
 * @throws DomainError unavailable/BUS_UNAVAILABLE when no server answers in time, unauthenticated/TOKEN_INVALID.
 */
export async function connectNatsBus(options: NatsBusOptions): Promise<Bus> {
  const { cluster, logger, beatIntervalMs = BEAT_INTERVAL_MS } = options;
  const subjects = subjectsOf(cluster);
  const inbox = subjects.inbox(randomBytes(16).toString("hex"));
  const connection = await connectUntil(options, inbox);
  let isConnected = true;
  const caller = new NatsCaller({ connection, subjects, inbox, beatIntervalMs, isConnected: () => isConnected && !connection.isClosed() });
  const servers = new Set<NatsServer>();
  void watchStatus(connection, logger, (isUp) => {
    isConnected = isUp;
    if (!isUp)
      caller.fail(
        new DomainError("unavailable", "BUS_UNAVAILABLE", "the connection to the message bus broke; the call may have taken effect"),
      );
  });

  return {
    transport: (address) => createWireTransport(caller.wire(address)),
    serve: async (address, routes, interceptors = []) => {
      const methods = collectRoutes(routes, [serverErrors(logger), ...interceptors]);
      const server = await startServer({ connection, subjects, address, methods, beatIntervalMs });
      servers.add(server);
      return {
        [Symbol.asyncDispose]: async () => {
          servers.delete(server);
          await server[Symbol.asyncDispose]();
          if (!connection.isClosed()) await within(connection.flush());
        },
      };
    },
    state: () => {
      if (connection.isClosed()) return "closed";
      return isConnected ? "connected" : "reconnecting";
    },
    close: async () => {
      if (connection.isClosed()) return;
      caller.close(new DomainError("unavailable", "BUS_UNAVAILABLE", "the bus is closed"));
      await Promise.allSettled([...servers].map((server) => server[Symbol.asyncDispose]()));
      await within(connection.flush());
      await within(connection.close());
    },
  };
}

async function startServer(options: NatsServerOptions): Promise<NatsServer> {
  const { connection } = options;
  if (connection.isClosed()) throw new DomainError("unavailable", "BUS_UNAVAILABLE", "the bus is closed");
  const server = new NatsServer(options);
  // Once the server has answered a ping it knows the subscriptions, and calls from now on arrive. When the wire is down,
  // the client sends them as soon as it is back.
  await within(connection.flush());
  return server;
}

/** A NATS server that hangs must not hang us; what is not flushed then would be lost anyway. */
async function within(work: Promise<unknown>): Promise<void> {
  await Promise.race([work.catch(() => undefined), systemClock.sleep(FLUSH_TIMEOUT_MS, NEVER)]);
}

async function connectUntil(
  { urls, token, name, logger, signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS) }: NatsBusOptions,
  inboxPrefix: string,
): Promise<NatsConnection> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect({
        servers: [...urls],
        ...(token !== undefined && { token }),
        name,
        inboxPrefix,
        timeout: 5_000,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 250,
        reconnectJitter: 250,
        pingInterval: 10_000,
        maxPingOut: 2,
        ignoreAuthErrorAbort: true,
      });
    } catch (error) {
      if (error instanceof AuthorizationError)
        throw new DomainError("unauthenticated", "TOKEN_INVALID", "the message bus refused the token", { cause: error });
      if (attempt === 1) logger.warn({ url: urls.join(" "), err: error }, "message bus does not answer yet");
      if (!signal.aborted) await systemClock.sleep(500, signal).catch(() => undefined);
      if (signal.aborted)
        throw new DomainError("unavailable", "BUS_UNAVAILABLE", `no message bus answers at ${urls.join(", ")}`, {
          cause: error,
          hint: "is nats-server running and the address right?",
        });
    }
  }
}

async function watchStatus(connection: NatsConnection, logger: Logger, onChange: (isUp: boolean) => void): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "disconnect") {
      logger.warn({ event: "bus.disconnected", address: status.server }, "message bus disconnected");
      onChange(false);
    } else if (status.type === "reconnect") {
      logger.info({ event: "bus.reconnected", address: status.server }, "message bus reconnected");
      onChange(true);
    } else if (status.type === "error") {
      logger.error({ event: "bus.error", err: status.error }, "message bus reported an error");
    } else if (status.type === "slowConsumer") {
      logger.warn({ event: "bus.slow", count: status.pending }, "messages pile up on the bus");
    } else {
      logger.debug({ event: `bus.${status.type}` }, "message bus status");
    }
  }
  onChange(false);
}

const FLUSH_TIMEOUT_MS = 2_000;
const NEVER = new AbortController().signal;
const BEAT_INTERVAL_MS = 2_000;
const CONNECT_TIMEOUT_MS = 30_000;
