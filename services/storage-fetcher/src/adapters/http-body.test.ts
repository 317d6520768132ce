import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createAddressPolicy } from "./address-policy.ts";
import { hasSurplus, readBody } from "./http-body.ts";
import { requestOrigin } from "./http-request.ts";

const DATA = randomBytes(5_000_001);
let server: Server;

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

test.each<readonly [string, (response: ServerResponse) => void]>([
  ["a length", (response) => void response.writeHead(200, { "content-length": DATA.length }).end(DATA)],
  ["chunks", (response) => void response.writeHead(200).write(DATA.subarray(0, 70_000), () => response.end(DATA.subarray(70_000)))],
  ["no length", (response) => void response.writeHead(200, { "transfer-encoding": "identity" }).end(DATA)],
])("a body with %s comes in few pieces, and whole", async (_, answer) => {
  const { pieces, error, surplus } = await read(answer);
  expect([Buffer.concat(pieces).equals(DATA), error, surplus]).toEqual([true, undefined, false]);
  expect(pieces.length).toBeLessThanOrEqual(6);
});

test.each<readonly [string, Record<string, string | number>]>([
  ["a length", { "content-length": DATA.length }],
  ["chunks", {}],
])("a body with %s that is cut gives what arrived, and the error", async (_, headers) => {
  const { pieces, error } = await read((response) => {
    response.writeHead(200, headers).write(DATA.subarray(0, 2_500_000), () => response.destroy());
  });
  expect(Buffer.concat(pieces).equals(DATA.subarray(0, 2_500_000))).toBe(true);
  expect(error).toBeInstanceOf(Error);
});

async function read(
  answer: (response: ServerResponse) => void,
): Promise<{ readonly pieces: readonly Buffer[]; readonly error: unknown; readonly surplus: boolean }> {
  server = createServer((_, response) => answer(response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const policy = createAddressPolicy(["127.0.0.1/32"]);
  const signal = AbortSignal.timeout(10_000);
  const got = await requestOrigin(url, { method: "GET", headers: {}, policy, isDiverted: true, answerTimeoutMs: 5_000, signal });
  const pieces: Buffer[] = [];
  const limit = { lowSpeedBytes: 1, lowSpeedWindowMs: 5_000 };
  const error = await readBody(got.response, limit, async (piece) => void pieces.push(await Promise.resolve(Buffer.from(piece))));
  return { pieces, error, surplus: hasSurplus(got) };
}
