import { hasReason } from "@skrei/domain";
import type { HttpServer } from "@skrei/platform/http-server.ts";

const DEFAULT_PORT = 1234;
/** The ports between are those of the services of a real cluster. */
const NEXT_PORT = 1240;
const PORTS_TRIED = 50;

/** Listens on the given port, or on 1234, or on the first free one from 1240 on. @throws DomainError precondition/PORT_IN_USE. */
export async function listenOnFreePort<Parts>(
  given: number | undefined,
  listen: (port: number) => Promise<Parts & { readonly server: HttpServer }>,
): Promise<Parts & { readonly server: HttpServer }> {
  if (given !== undefined) return listen(given);
  for (let port = DEFAULT_PORT; ; port = Math.max(NEXT_PORT, port + 1)) {
    try {
      return await listen(port);
    } catch (error) {
      if (!hasReason(error, "PORT_IN_USE") || port >= NEXT_PORT + PORTS_TRIED) throw error;
    }
  }
}
