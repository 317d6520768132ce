import type { Socket } from "node:net";
import { RefusalPace } from "../../domain/refusal-pace.ts";

/** The refusals of one door, over all its connections, each in its turn. */
export class PacedRefusals {
  readonly #pace = new RefusalPace();

  /** Calls `refuse` when it is time, unless the connection has gone by then; one too many is ended without a word, and late, for who comes again at once costs time. */
  say(socket: Socket, refuse: () => void): void {
    const delayMs = this.#pace.book(performance.now());
    if (delayMs === undefined) sayLater(socket, () => socket.destroy(), SILENCE_MS);
    else if (delayMs < 1) refuse();
    else sayLater(socket, refuse, delayMs);
  }
}

const SILENCE_MS = 5_000;

function sayLater(socket: Socket, refuse: () => void, delayMs: number): void {
  const onClose = (): void => clearTimeout(timer);
  const timer = setTimeout(() => {
    socket.off("close", onClose);
    if (!socket.destroyed) refuse();
  }, delayMs);
  socket.once("close", onClose);
}
