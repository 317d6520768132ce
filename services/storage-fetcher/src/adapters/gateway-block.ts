import type { IncomingMessage } from "node:http";
import { DomainError, LIMITS } from "@skrei/domain";
import { type ContentId, isBlockOf } from "@skrei/unixfs/cid.ts";
import { type GatewayFault, parseRetryAfter } from "../domain/gateway-standing.ts";
import type { AddressPolicy } from "./address-policy.ts";
import { type HttpAgents, requestOrigin } from "./http-request.ts";

/** A place outside the cluster that gives blocks by content id. */
export interface Gateway {
  /** `trustless` is any IPFS gateway that gives raw blocks; `kubo` is the RPC of a Kubo daemon. */
  readonly kind: "trustless" | "kubo";
  /** Base URL, as the operator wrote it. */
  readonly url: string;
}

export interface GatewaySettings {
  /** For the addresses that the operator named. */
  readonly policy: AddressPolicy;
  /** For where they redirect to. */
  readonly redirectPolicy: AddressPolicy;
  readonly agents: HttpAgents;
  /** For one block, from the call to its last byte. */
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

/** One block, verified, or what went wrong. Throws only when `signal` is aborted. */
export async function fetchGatewayBlock(
  gateway: Gateway,
  cid: ContentId,
  settings: GatewaySettings,
  signal: AbortSignal,
): Promise<Uint8Array | GatewayFault> {
  const timeout = AbortSignal.timeout(settings.timeoutMs);
  try {
    const { response } = await request(gateway, cid, settings, AbortSignal.any([signal, timeout]));
    try {
      return faultOf(response, gateway.kind, settings) ?? (await readBlock(response, cid));
    } finally {
      // A body that was read to its end leaves the connection to the next request.
      if (!response.complete) response.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return { kind: "failed", words: `did not send the block within ${settings.timeoutMs} ms` };
    if (error instanceof DomainError) return { kind: "misled", words: `leads where it may not: ${error.message}` };
    return { kind: "failed", words: `broke the connection (${error instanceof Error ? error.message : String(error)})` };
  }
}

function request(gateway: Gateway, cid: ContentId, settings: GatewaySettings, signal: AbortSignal): ReturnType<typeof requestOrigin> {
  const { policy, redirectPolicy, agents, timeoutMs } = settings;
  const base = gateway.url.replace(/\/+$/u, "");
  const options = { policy, redirectPolicy, agents, answerTimeoutMs: timeoutMs, signal };
  if (gateway.kind === "trustless") {
    const headers = { accept: "application/vnd.ipld.raw" };
    return requestOrigin(`${base}/ipfs/${cid.toString()}?format=raw`, { ...options, method: "GET", headers });
  }
  // Kubo's own bound comes first, so that it says that the network does not have the block.
  const url = `${base}/api/v0/block/get?arg=${cid.toString()}&timeout=${Math.ceil(timeoutMs * 0.8)}ms`;
  return requestOrigin(url, { ...options, method: "POST", headers: { "content-length": 0 } });
}

function faultOf(response: IncomingMessage, kind: Gateway["kind"], { nowMs }: GatewaySettings): GatewayFault | undefined {
  const { statusCode: status = 0, headers } = response;
  if (status === 200) return bodyFault(headers);
  const retryAfterMs = parseRetryAfter(headers["retry-after"], nowMs());
  if (status === 429 || (status === 503 && retryAfterMs !== undefined))
    return { kind: "busy", words: `asks for patience (${status})`, retryAfterMs };
  // Kubo's RPC answers 500 to whatever it could not do in time, above all to find the block.
  const isPassing = status === 408 || status > 500 || (status === 500 && kind === "trustless");
  return isPassing ? { kind: "failed", words: `answered ${status}` } : { kind: "absent", words: `does not give the block (${status})` };
}

function bodyFault(headers: IncomingMessage["headers"]): GatewayFault | undefined {
  if (/^text\/html\b/iu.test(headers["content-type"] ?? ""))
    return { kind: "misled", words: "sends a page (text/html) instead of a block" };
  const length = Number(headers["content-length"] ?? 0);
  return length > LIMITS.blockBytesMax ? tooLarge(`${length} bytes`) : undefined;
}

async function readBlock(response: IncomingMessage, cid: ContentId): Promise<Uint8Array | GatewayFault> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    sizeBytes += piece.length;
    if (sizeBytes > LIMITS.blockBytesMax) return tooLarge("no end");
    pieces.push(piece);
  }
  const block = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  return isBlockOf(cid, block) ? block : { kind: "misled", words: "sends bytes that are not the block" };
}

function tooLarge(what: string): GatewayFault {
  return { kind: "misled", words: `sends ${what} for a block, which has at most ${LIMITS.blockBytesMax} bytes` };
}
