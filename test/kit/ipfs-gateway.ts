import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers a request for a block; `block` is undefined when the gateway does not have it. */
export type BlockHandler = (block: Uint8Array | undefined, response: ServerResponse, request: IncomingMessage) => void;

export interface TestGateway extends AsyncDisposable {
  readonly url: string;
  /** Content ids in the order in which they were asked for. */
  readonly asked: readonly string[];
  /** Requests under way at once, at most so far. */
  readonly parallelMax: number;
}

/** An IPFS gateway, or the RPC of a Kubo, over blocks of a test; `handle` makes it misbehave. */
export async function startIpfsGateway(blocks: ReadonlyMap<string, Uint8Array>, handle: BlockHandler = sendBlock): Promise<TestGateway> {
  const asked: string[] = [];
  let [underWay, parallelMax] = [0, 0];
  const server = createServer((request, response) => {
    const cid = cidOf(request);
    if (cid === undefined) return void response.writeHead(400).end();
    asked.push(cid);
    parallelMax = Math.max(parallelMax, ++underWay);
    response.once("close", () => void (underWay -= 1));
    handle(blocks.get(cid), response, request);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    get parallelMax() {
      return parallelMax;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function sendBlock(block: Uint8Array | undefined, response: ServerResponse): void {
  if (block === undefined) response.writeHead(404, { "content-type": "text/plain" }).end("not here\n");
  else response.writeHead(200, { "content-type": "application/vnd.ipld.raw", "content-length": block.length }).end(block);
}

function cidOf({ url = "", method, headers }: IncomingMessage): string | undefined {
  const gateway = /^\/ipfs\/([a-z0-9]+)\?format=raw$/u.exec(url)?.[1];
  if (gateway !== undefined) return method === "GET" && headers.accept === "application/vnd.ipld.raw" ? gateway : undefined;
  return method === "POST" ? /^\/api\/v0\/block\/get\?arg=([a-z0-9]+)&timeout=\d+ms$/u.exec(url)?.[1] : undefined;
}
