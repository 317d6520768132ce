import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import type { Socket } from "node:net";
import type { DoorServer, DoorSocket, ServedDoor } from "../../ports.ts";
import { DomainError } from "@skrei/domain";
import type { Denial, EgressTarget } from "../../domain/decide-egress.ts";
import { ClientConnection } from "./client-connection.ts";
import { listenAt, pathProblem } from "./door-path.ts";
import { gatherPieces } from "./gather-pieces.ts";
import { forwardRequest } from "./forward-request.ts";
import { openTunnel } from "./open-tunnel.ts";
import { refuseSocket } from "./refusal.ts";
import { methodDenied, NO_HOST, requestInvalid } from "./request-head.ts";
import { OpenSocket } from "./open-socket.ts";

/** Serves every door of the proxy with one HTTP parser; what a connection may do depends on the socket at which it arrived. */
export class DoorListener implements DoorServer {
  readonly #folder: string;
  readonly #server: Server;
  readonly #clients = new WeakMap<Socket, ClientConnection>();

  /** @throws DomainError invalid/CONFIG_INVALID when sockets in this folder could not be connected to. */
  constructor(folder: string) {
    const problem = pathProblem(folder);
    if (problem !== undefined) throw new DomainError("invalid", "CONFIG_INVALID", problem, { hint: "set a shorter --data-folder" });
    this.#folder = folder;
    this.#server = createServer(PARSER_OPTIONS)
      .on("request", (request, response) => this.#onRequest(request, response, false))
      .on("checkContinue", (request, response) => this.#onRequest(request, response, true))
      .on("checkExpectation", (request, response) => this.#onRequest(request, response, false))
      .on("connect", (request, socket, head) => this.#onConnect(request, socket as Socket, head))
      .on("clientError", (error, socket) => this.#onClientError(error, socket as Socket));
    // Without a limit of its own: what is too much is refused by size, never dropped from the head.
    this.#server.maxHeadersCount = 0;
  }

  async serve(door: ServedDoor): Promise<DoorSocket> {
    const path = join(this.#folder, `${door.executionId}.sock`);
    const opened = new OpenSocket(path, { door, onConnection: (socket) => this.#adopt(socket, opened) });
    try {
      await listenAt(opened.server, path);
    } catch (error) {
      await opened.close();
      throw new DomainError("unavailable", "DOOR_FAILED", "The network-proxy could not make the socket of the door.", { cause: error });
    }
    return opened;
  }

  #adopt(socket: Socket, { door, pool, refusals, turns }: OpenSocket): void {
    const client = new ClientConnection(socket, { door, pool, refusals, turns, onHeadTimeout: () => this.#onHeadTimeout(client) });
    this.#clients.set(socket, client);
    this.#server.emit("connection", socket);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const client = this.#clients.get(request.socket);
    if (client === undefined || client.isRefused || client.pending >= PIPELINED_MAX || client.aheadBytes >= AHEAD_BYTES_MAX) {
      request.socket.destroy();
      return;
    }
    gatherPieces(request, (bytes) => void client.door.up.take(bytes, performance.now()));
    client.enqueue(request, () => forwardRequest({ client, request, response, expectsContinue }));
  }

  #onConnect(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const client = this.#clients.get(socket);
    // Who did not wait for the answer to the last request has nothing to say about the next connection.
    if (client === undefined || client.isRefused || client.pending > 0 || client.tunnelTarget !== undefined) {
      socket.destroy();
      return;
    }
    client.beginRequest();
    const servePlain = (target: EgressTarget, first: Buffer): void => {
      client.enterTunnel(target);
      if (first.length > 0) socket.unshift(first);
      this.#server.emit("connection", socket);
      socket.resume();
    };
    openTunnel({ client, request, first: head, servePlain }).catch(() => socket.destroy());
  }

  #onClientError(error: Error & { code?: string }, socket: Socket): void {
    const client = this.#clients.get(socket);
    if (client === undefined || client.isRefused || !socket.writable || !error.code?.startsWith("HPE_")) {
      if (client?.isRefused !== true) socket.destroy();
      return;
    }
    const denial = parseDenial(error.code, error.message.replace(/^Parse Error: /u, ""));
    const { reading } = client;
    // Answers to earlier requests come first.
    if (reading === undefined) client.refuseLast(() => this.#refuse(client, denial));
    else client.breakOff(reading, denial);
  }

  #onHeadTimeout(client: ClientConnection): void {
    const { socket, door } = client;
    if (client.hasServed || socket.bytesRead === 0) socket.destroy();
    else {
      const denial = requestInvalid(NO_HOST, `The request head did not come within ${door.limits.headerTimeoutMs} ms.`);
      client.refuseLast(() => this.#refuse(client, denial));
    }
  }

  #refuse({ door, socket, refusals }: ClientConnection, denial: Denial): void {
    socket.pause();
    refusals.say(socket, () => {
      door.refuse(denial, { method: "", port: 0 });
      refuseSocket(socket, denial);
    });
  }
}

const HEADER_BYTES_MAX = 16 * 1024;
/** Requests that a task may send ahead on one connection. */
const PIPELINED_MAX = 64;
/** What their heads may take; a head is kept as thousands of texts if its task wants it so. */
const AHEAD_BYTES_MAX = 64 * 1024;

const PARSER_OPTIONS = {
  maxHeaderSize: HEADER_BYTES_MAX,
  insecureHTTPParser: false,
  // Judged with the rest of the request.
  requireHostHeader: false,
  joinDuplicateHeaders: false,
  // Every wait has a timer in `ClientConnection` or in the exchange.
  keepAliveTimeout: 0,
  headersTimeout: 0,
  requestTimeout: 0,
  highWaterMark: 16 * 1024,
} as const;

function parseDenial(code: string, problem: string): Denial {
  if (code === "HPE_INVALID_METHOD") return methodDenied(NO_HOST, "");
  if (code === "HPE_HEADER_OVERFLOW") return requestInvalid(NO_HOST, `The request head is larger than ${HEADER_BYTES_MAX} bytes.`);
  return requestInvalid(NO_HOST, `The request cannot be read: ${problem}.`);
}
