import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OneBufferAgent, releasePiece } from "./one-buffer-agent.ts";

const body = randomBytes(5 * 1_048_576 + 3);
const connections = new Set<unknown>();
let server: Server;
let agent: OneBufferAgent;

beforeAll(async () => {
  server = createServer((request, response) => {
    connections.add(request.socket);
    const withLength = request.url === "/length";
    if (withLength) response.setHeader("content-length", body.length);
    for (let at = 0; at < body.length; at += 700_001) response.write(body.subarray(at, at + 700_001));
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  agent = new OneBufferAgent({ keepAlive: true, maxSockets: 2 });
});
afterAll(() => {
  agent.destroy();
  server.close();
});

async function get(path: string): Promise<IncomingMessage> {
  const request = httpRequest({ agent, host: "127.0.0.1", port: (server.address() as AddressInfo).port, path });
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test.each(["/length", "/chunked"])("bodies come whole over connections that are used again: %s", async (path) => {
  const read = async (): Promise<string> => {
    const hash = createHash("sha256");
    for await (const piece of (await get(path)) as AsyncIterable<Buffer>) {
      hash.update(piece);
      releasePiece(piece);
    }
    return hash.digest("hex");
  };
  const digests = await Promise.all(Array.from({ length: 6 }, read));
  expect(new Set(digests)).toEqual(new Set([digest(body)]));
  expect(connections.size).toBeLessThanOrEqual(2);
});

test("pieces that are kept stay as they were while others come", async () => {
  const response = await get("/length");
  const pieces: Buffer[] = [];
  response.on("data", (piece: Buffer) => pieces.push(piece));
  await once(response, "end");
  expect(digest(Buffer.concat(pieces))).toBe(digest(body));
});

test("whoever reads slowly holds the connection up", async () => {
  const response = await get("/chunked");
  const hash = createHash("sha256");
  response.on("data", (piece: Buffer) => {
    hash.update(piece);
    response.pause();
    void nextTurn().then(() => response.resume());
  });
  await once(response, "end");
  expect(hash.digest("hex")).toBe(digest(body));
});

test("what is released is empty at once, unless its memory is shared", () => {
  const own = Buffer.from(new Uint8Array(10_000).buffer);
  releasePiece(own);
  expect(own.length).toBe(0);
  const shared = Buffer.alloc(10_000);
  releasePiece(shared.subarray(1));
  expect(shared).toHaveLength(10_000);
});
