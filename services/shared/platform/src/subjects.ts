import { DomainError } from "@skrei/domain";
import type { BusAddress } from "./bus.ts";

/** Subjects of one cluster. The only place with subject strings; permissions of bus users are written against these shapes. */
export interface Subjects {
  /** `skrei.<cluster>.rpc.<address>.<package.Service>.<Method>`; dots of the package stay, so `>` subscribes to a whole package. */
  call(address: BusAddress, service: string, method: string): string;
  /** Every call to an address. */
  calls(address: BusAddress): string;
  /** Acknowledgements and cancellations of running calls; every server of the address hears all of them. */
  control(address: BusAddress): string;
  /** The replies of one connection, whose id nobody else can guess. */
  inbox(connectionId: string): string;
  /** Whether answers may go there. A caller must not make a server publish elsewhere with the server's own permissions. */
  isInbox(subject: string): boolean;
  /** `<service>.<Method>` of a subject that `calls` matched. */
  methodOf(address: BusAddress, subject: string): string;
}

/** @throws DomainError invalid/FIELD_INVALID when `cluster` cannot be part of a subject. */
export function subjectsOf(cluster: string): Subjects {
  const root = `skrei.${token("cluster", cluster)}`;
  const inboxes = `_INBOX.${root}.`;
  const calls = (address: BusAddress): string => `${root}.rpc.${addressToken(address)}`;
  return {
    call: (address, service, method) => `${calls(address)}.${service}.${method}`,
    calls: (address) => `${calls(address)}.>`,
    inbox: (connectionId) => `${inboxes}${token("connection id", connectionId)}`,
    isInbox: (subject) => subject.startsWith(inboxes),
    control: (address) => `${root}.ctl.${addressToken(address)}`,
    methodOf: (address, subject) => subject.slice(calls(address).length + 1),
  };
}

/** Several servers of one address share its calls through this queue group. */
export const SERVERS_QUEUE = "servers";

function addressToken(address: BusAddress): string {
  return address.kind === "scheduler" ? "scheduler" : `node.${token("node id", address.nodeId)}`;
}

/** A dot, star or blank in a token would reach subjects of others. */
function token(what: string, text: string): string {
  if (!/^[A-Za-z0-9_-]{1,128}$/u.test(text)) {
    throw new DomainError("invalid", "FIELD_INVALID", `the ${what} "${text.slice(0, 64)}" cannot be part of a bus subject`, {
      hint: "use 1 to 128 letters, digits, - and _",
    });
  }
  return text;
}
