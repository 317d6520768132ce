import type { ConnectRouter, Interceptor, Transport } from "@connectrpc/connect";

/** Who serves calls: the scheduler (any replica), or one node's compute-agent. */
export type BusAddress = { readonly kind: "scheduler" } | { readonly kind: "node"; readonly nodeId: string };

/**
 * Calls between scheduler and agents. Nothing is true because a message was sent: every call may be lost or may have
 * happened though it failed, so handlers are idempotent and callers repeat.
 */
export interface Bus {
  /**
   * A Connect transport whose calls go to whoever serves the address. Unary and server streams only.
   * Calls without a time-out get 30 s (streams: none). They throw
   * DomainError unavailable/NO_RESPONDER when nobody serves the address, unavailable/BUS_UNAVAILABLE when the wire is or goes down,
   * timeout/DEADLINE_EXCEEDED, cancelled/CANCELLED, exhausted/MESSAGE_TOO_LARGE, and whatever the handler threw.
   */
  transport(address: BusAddress): Transport;
  /**
   * Serves Connect routes at the address until disposed; open calls then end with unavailable/SHUTTING_DOWN.
   * Several servers of one address share the calls. Errors of handlers are mapped as `serverErrors` does.
   */
  serve(address: BusAddress, routes: (router: ConnectRouter) => void, interceptors?: Interceptor[]): Promise<AsyncDisposable>;
  /** Whether the wire is up now; "closed" for good. */
  state(): "connected" | "reconnecting" | "closed";
  /** Ends every server and call. Idempotent. */
  close(): Promise<void>;
}
