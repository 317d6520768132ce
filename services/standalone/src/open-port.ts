import { hasReason } from "@skrei/domain";
import type { HttpServer } from "@skrei/platform/http-server.ts";

const DEFAULT_PORT = 1234;
const PORTS_TRIED = 50;

/** Listens on the given port, or on the first free one from 1234 on. @throws DomainError precondition/PORT_IN_USE. */
export async function listenOnFreePort<Parts>(
  given: number | undefined,
  listen: (port: number) => Promise<Parts & { readonly server: HttpServer }>,
): Promise<Parts & { readonly server: HttpServer }> {
  if (given !== undefined) return listen(given);
  for (let port = DEFAULT_PORT; ; port++) {
    try {
      return await listen(port);
    } catch (error) {
      if (!hasReason(error, "PORT_IN_USE") || port >= DEFAULT_PORT + PORTS_TRIED) throw error;
    }
  }
}
