import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { deny } from "../../domain/denial.ts";
import type { DoorSocket, ServedDoor } from "../../ports.ts";
import { PacedRefusals } from "./paced-refusals.ts";
import { refuseSocket } from "./refusal.ts";
import { NO_HOST } from "./request-head.ts";
import { Turns } from "./turns.ts";
import { UpstreamPool } from "./upstream-pool.ts";

/** Connections that are told why they are refused, at one time; beyond that they are just ended. */
const REFUSED_MAX = 1_024;

/** The listening socket of one door with everything that hangs on it. */
export class OpenSocket implements DoorSocket {
  readonly path: string;
  readonly door: ServedDoor;
  readonly pool = new UpstreamPool();
  readonly refusals = new PacedRefusals();
  readonly turns = new Turns();
  readonly server: Server;
  readonly #clients = new Set<Socket>();
  readonly #refused = new Set<Socket>();
  readonly #onConnection: (socket: Socket) => void;
  #closing: Promise<void> | undefined;

  constructor(path: string, { door, onConnection }: { readonly door: ServedDoor; readonly onConnection: (socket: Socket) => void }) {
    this.path = path;
    this.door = door;
    this.#onConnection = onConnection;
    this.server = createServer({ allowHalfOpen: true, highWaterMark: 16 * 1024 }, (socket) => this.#accept(socket));
    // Out of descriptors, say: the connection is not served, later ones may be.
    this.server.on("error", () => undefined);
  }

  get connections(): number {
    return this.#clients.size;
  }

  dropIdle(): void {
    this.pool.dropIdle();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #accept(socket: Socket): void {
    const { connectionsMax } = this.door.limits;
    const isFull = this.#clients.size >= connectionsMax;
    if (isFull && this.#refused.size >= REFUSED_MAX) {
      socket.destroy();
      return;
    }
    const set = isFull ? this.#refused : this.#clients;
    set.add(socket);
    socket.once("close", () => set.delete(socket));
    if (isFull)
      this.refusals.say(
        socket.on("error", () => socket.destroy()),
        () => this.#refuse(socket, connectionsMax),
      );
    else this.#onConnection(socket);
  }

  #refuse(socket: Socket, connectionsMax: number): void {
    const denial = deny(NO_HOST, "EGRESS_CONNECTIONS_EXHAUSTED", {
      message: `The execution has ${connectionsMax} connections, which is all it may have.`,
      hint: "Open fewer connections at a time, or reuse them.",
    });
    this.door.refuse(denial, { method: "", port: 0 });
    refuseSocket(socket, denial);
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.server.close(() => resolve()));
    for (const socket of [...this.#clients, ...this.#refused]) socket.destroy();
    this.pool.destroy();
    await closed;
    await rm(this.path, { force: true });
  }
}
