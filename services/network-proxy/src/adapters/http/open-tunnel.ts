import type { IncomingMessage } from "node:http";
import { canonicalHost, formatHost } from "@skrei/domain";
import { deny } from "../../domain/denial.ts";
import type { Denial, EgressTarget } from "../../domain/decide-egress.ts";
import type { Allowance } from "../../ports.ts";
import { type Opening, type OpeningReader, readOpening } from "./await-hello.ts";
import type { ClientConnection } from "./client-connection.ts";
import { refuseSocket } from "./refusal.ts";
import { receiveHead, type RequestHead } from "./request-head.ts";
import { Tunnel } from "./tunnel.ts";

export interface TunnelRequest {
  readonly client: ClientConnection;
  readonly request: IncomingMessage;
  /** What came after the head. */
  readonly first: Buffer;
  /** Reads what follows as requests to that one origin. */
  readonly servePlain: (target: EgressTarget, first: Buffer) => void;
}

/**
 * Serves a CONNECT: decided, dialled, answered, and only then read; nothing but TLS for this very host goes through. The port of
 * plain HTTP is the exception: some clients (Node's fetch) tunnel to it what others ask of the proxy, so it is read as requests.
 */
export async function openTunnel({ client, request, first, servePlain }: TunnelRequest): Promise<void> {
  const { door, socket, refusals } = client;
  socket.on("error", () => socket.destroy());
  const head = receiveHead(request, door);
  if (head.kind === "refused") {
    refusals.say(socket, () => {
      if (head.isCounted) door.refuse(head.denial, { method: "CONNECT", port: head.port });
      refuseSocket(socket, head.denial);
    });
    return;
  }
  const reader = readOpening(socket, first);
  const verdict = await door.decide(head.target);
  if (socket.destroyed) return;
  if (verdict.verdict === "deny") {
    reader.stop();
    refusals.say(socket, () => {
      door.refuse(verdict, { method: "CONNECT", port: head.target.port });
      refuseSocket(socket, verdict);
    });
    return;
  }
  if (head.target.port === PLAIN_PORT) {
    reader.stop();
    socket.write(ESTABLISHED);
    servePlain({ ...head.target, scheme: "http" }, reader.read());
    return;
  }
  await carry({ client, head, allowance: verdict, reader });
}

const PLAIN_PORT = 80;
const ESTABLISHED = "HTTP/1.1 200 Connection Established\r\n\r\n";

interface AllowedTunnel {
  readonly client: ClientConnection;
  readonly head: RequestHead;
  readonly allowance: Allowance;
  readonly reader: OpeningReader;
}

async function carry({ client, head, allowance, reader }: AllowedTunnel): Promise<void> {
  const tunnel = new Tunnel({ client, target: head.target, allowance });
  const failure = await tunnel.dial(reader.opening);
  if (failure !== undefined) {
    reader.stop();
    if (!client.socket.destroyed) refuseSocket(client.socket, failure);
    return;
  }
  if (tunnel.isOver) {
    reader.stop();
    return;
  }
  client.socket.write(ESTABLISHED);
  reader.startClock(client.door.limits.headerTimeoutMs);
  const opening = await reader.opening;
  const problem = opening.kind === "gone" ? "gone" : openingDenial(allowance, opening);
  if (problem === undefined && opening.kind === "bytes") tunnel.start(opening.bytes);
  else tunnel.cut(problem === "gone" ? undefined : problem);
}

/** Undefined when the tunnel begins as it must. */
function openingDenial({ host, isAddress }: Allowance, opening: Exclude<Opening, { kind: "gone" }>): Denial | undefined {
  if (opening.kind === "timeout") return tlsRequired(host, `The tunnel to ${host} did not begin with a TLS handshake in time.`);
  if (opening.kind === "tooLong" || opening.hello.kind !== "hello")
    return tlsRequired(host, `The tunnel to ${host} did not begin with a TLS handshake.`);
  const { serverName } = opening.hello;
  if (serverName === undefined) return isAddress ? undefined : nameMismatch(host, "no host");
  const named = canonicalHost(serverName);
  return named !== undefined && formatHost(named) === host ? undefined : nameMismatch(host, serverName);
}

function tlsRequired(host: string, message: string): Denial {
  return deny(host, "EGRESS_TLS_REQUIRED", { message, hint: "Use https in tunnels, and plain http without one." });
}

function nameMismatch(host: string, named: string): Denial {
  return deny(host, "EGRESS_TLS_NAME_MISMATCH", {
    message: `The TLS handshake in the tunnel to ${host} names ${named}.`,
    hint: "Open the tunnel to the very host that the TLS handshake names (SNI).",
  });
}
