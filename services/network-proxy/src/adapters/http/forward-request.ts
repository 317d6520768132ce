import type { IncomingMessage, ServerResponse } from "node:http";
import type { Denial } from "../../domain/decide-egress.ts";
import type { ClientConnection } from "./client-connection.ts";
import { ForwardExchange } from "./forward-exchange.ts";
import { refuseRequest } from "./refusal.ts";
import { receiveHead, type RequestHead } from "./request-head.ts";

export interface ReceivedRequest {
  readonly client: ClientConnection;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The task waits for a word before it sends the body. */
  readonly expectsContinue: boolean;
}

/** Serves one plain request. Settles when its answer is out or its connection is gone. */
export async function forwardRequest(received: ReceivedRequest): Promise<void> {
  const { client, request, response } = received;
  const answered = new Promise<void>((resolve) => void response.once("close", resolve));
  if (isGone(received)) return;
  const head = receiveHead(request, client.door, client.tunnelTarget);
  if (head.kind === "head") await judge(received, head);
  else refuse(received, head);
  await answered;
}

async function judge(received: ReceivedRequest, head: RequestHead): Promise<void> {
  const { client, request } = received;
  const decided = await client.door.decide(head.target);
  if (isGone(received)) return;
  const verdict = client.brokenBy(request) ?? decided;
  if (verdict.verdict === "deny") refuse(received, { denial: verdict, port: head.target.port, isCounted: true });
  else new ForwardExchange({ ...received, head, allowance: verdict }).start();
}

function refuse(
  { client, request, response }: ReceivedRequest,
  { denial, port, isCounted }: { readonly denial: Denial; readonly port: number; readonly isCounted: boolean },
): void {
  client.refusals.say(client.socket, () => {
    if (isCounted) client.door.refuse(denial, { method: request.method ?? "", port });
    refuseRequest(request, response, denial);
  });
}

function isGone({ client, response }: ReceivedRequest): boolean {
  return response.destroyed || client.socket.destroyed;
}
