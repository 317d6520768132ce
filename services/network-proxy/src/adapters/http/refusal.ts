import { type IncomingMessage, STATUS_CODES, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Reason } from "@skrei/domain";
import type { Denial } from "../../domain/decide-egress.ts";

/** A refusal as the task gets it: one or two lines of text, and headers for programs. */
interface RefusalHead {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

function describeRefusal({ reason, message, hint }: Denial): RefusalHead {
  const [status, error] = STATUS_OF[reason] ?? [403, "http_request_denied"];
  const body = `skrei: ${message}\n${hint === "" ? "" : `${hint}\n`}`;
  const named: Readonly<Record<string, string>> = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
    "Cache-Control": "no-store",
    "X-Skrei-Reason": reason,
    "Proxy-Status": `skrei; error=${error}`,
    ...(status === 407 && { "Proxy-Authenticate": 'Basic realm="skrei"' }),
    ...(status === 405 && { Allow: ALLOWED_METHODS.join(", ") }),
  };
  const headers = Object.entries(named).flat();
  return { status, headers, body };
}

/** Answers a request. The connection goes on only when nothing of the request is left to read. */
export function refuseRequest(request: IncomingMessage, response: ServerResponse, denial: Denial): void {
  const { status, headers, body } = describeRefusal(denial);
  const mayGoOn = status !== 400 && !hasBody(request);
  response.sendDate = false;
  // With its own words: the origin's may have been put there before they were found unfit.
  response.writeHead(status, STATUS_CODES[status] ?? "", [...headers, ...(mayGoOn ? [] : ["Connection", "close"])]);
  response.end(request.method === "HEAD" ? undefined : body);
  // A task that does not read what it is told does not keep the connection.
  const timer = setTimeout(() => request.socket.destroy(), READING_MS);
  response.once("close", () => clearTimeout(timer));
}

/** Answers on a connection that no parser serves any more, and ends it. */
export function refuseSocket(socket: Socket, denial: Denial): void {
  const { status, headers, body } = describeRefusal(denial);
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`];
  for (let index = 0; index < headers.length; index += 2) lines.push(`${headers[index]}: ${headers[index + 1]}`);
  endSocket(socket, `${lines.join("\r\n")}\r\nConnection: close\r\n\r\n${body}`);
}

/** Last words. What still comes is thrown away for a moment, so that they are read before the connection breaks. */
function endSocket(socket: Socket, text: string): void {
  socket.on("error", () => socket.destroy());
  socket.end(text);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("end", () => socket.destroySoon());
  socket.once("close", () => clearTimeout(timer));
}

const LINGER_MS = 1_000;
const READING_MS = 10_000;

export const ALLOWED_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** Everything else is a 403. Errors as RFC 9209, section 2.3, names them. */
const STATUS_OF: Partial<Record<Reason, readonly [number, string]>> = {
  EGRESS_CREDENTIAL_INVALID: [407, "http_request_denied"],
  EGRESS_REQUEST_INVALID: [400, "http_request_error"],
  EGRESS_METHOD_DENIED: [405, "http_request_denied"],
  EGRESS_LITERAL_DENIED: [403, "destination_ip_prohibited"],
  EGRESS_ADDRESS_DENIED: [403, "destination_ip_prohibited"],
  EGRESS_NAME_UNRESOLVED: [502, "dns_error"],
  EGRESS_ORIGIN_UNREACHABLE: [502, "destination_unavailable"],
  EGRESS_ORIGIN_TIMEOUT: [504, "connection_timeout"],
  EGRESS_CONNECTIONS_EXHAUSTED: [503, "connection_limit_reached"],
};
