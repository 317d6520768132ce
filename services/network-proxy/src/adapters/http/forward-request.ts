import type { IncomingMessage, ServerResponse } from "node:http";
import type { Denial } from "../../domain/decide-egress.ts";
import type { ClientConnection } from "./client-connection.ts";
import { ForwardExchange } from "./forward-exchange.ts";
import { refuseRequest } from "./refusal.ts";
import { credentialDenial, hasCredential, readRequestHead } from "./request-head.ts";

export interface ReceivedRequest {
  readonly client: ClientConnection;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The task waits for a word before it sends the body. */
  readonly expectsContinue: boolean;
}

/** Serves one plain request. Settles when its answer is out or its connection is gone; never throws. */
export async function forwardRequest(received: ReceivedRequest): Promise<void> {
  const { client, request, response } = received;
  const { door } = client;
  const answered = new Promise<void>((resolve) => void response.once("close", resolve));
  if (response.destroyed || client.socket.destroyed) return;
  const method = request.method ?? "";
  const refuse = (denial: Denial, port: number): void => {
    door.refuse(denial, { method, port });
    refuseRequest(request, response, denial);
  };
  const head = readRequestHead(request);
  const denial = "verdict" in head ? head : credentialDenial(request, door, head.target.host);
  if ("verdict" in head) refuse(head, 0);
  else if (denial !== undefined) {
    if (hasCredential(request)) refuse(denial, head.target.port);
    else refuseRequest(request, response, denial);
  } else {
    const verdict = await door.decide(head.target);
    if (response.destroyed || client.socket.destroyed) return;
    if (verdict.verdict === "deny") refuse(verdict, head.target.port);
    else new ForwardExchange({ ...received, head, allowance: verdict }).start();
  }
  await answered;
}
