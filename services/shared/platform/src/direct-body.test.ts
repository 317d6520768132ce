import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, createServer, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type LabCertificate, makeLabCertificate } from "../../../../test/kit/lab-certificate.ts";
import { directBodyOf, divertBody, withDirectBodies } from "./direct-body.ts";

const DATA = randomBytes(5_000_001);
const agents: Agent[] = [];
const servers: Server[] = [];
const sockets = new Set<Socket>();
let folder: string;
let certificate: LabCertificate;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-direct-"));
  certificate = await makeLabCertificate(folder, ["localhost"]);
});

afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy();
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(["http", "https"] as const)("a body comes whole by %s, however it is cut", async (scheme) => {
  const head = Buffer.from(`HTTP/1.1 103 Early\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\nx: z\r\ncontent-length: ${DATA.length}\r\n\r\n`);
  const wire = Buffer.concat([head, DATA]);
  for (const cuts of [[], [1, 20, 29, 60], [head.length - 1], [head.length], [head.length + 1, 70_000, 2_000_000]]) {
    const answer = await get(scheme, (socket) => void sendInPieces(socket, wire, cuts), 1);
    const { pieces, error } = await read(answer);
    expect([Buffer.concat(pieces).equals(DATA), error, directBodyOf(answer)?.hasSurplus]).toEqual([true, undefined, false]);
    expect(pieces.length).toBeLessThanOrEqual(6);
  }
});

test("a reader who is slow holds up the connection, and loses nothing", async () => {
  const data = randomBytes(40_000_000);
  const answer = await get("http", (socket) => void socket.end(Buffer.concat([headOf(data.length), data])), 1);
  const pieces: Buffer[] = [];
  for await (const piece of directBodyOf(answer) ?? []) {
    pieces.push(Buffer.from(piece));
    // As long as the connection goes on by itself.
    for (let before = -1; before !== answer.socket.bytesRead;) {
      before = answer.socket.bytesRead;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(answer.socket.bytesRead - Buffer.concat(pieces).length).toBeLessThan(4_500_000);
  }
  expect(Buffer.concat(pieces).equals(data)).toBe(true);
});

test("what had arrived of a body that is cut comes before the error", async () => {
  const { pieces, error } = await read(
    await get("http", (socket) => void socket.end(Buffer.concat([headOf(DATA.length), DATA.subarray(0, 3_000_000)])), 1),
  );
  expect(Buffer.concat(pieces).equals(DATA.subarray(0, 3_000_000))).toBe(true);
  expect(error).toMatchObject({ message: expect.stringContaining("before the end of the body") as string });
});

test("bytes behind the end are not of the body, and are told of", async () => {
  for (const sizeBytes of [10, 100_000, 3_000_000]) {
    const wire = Buffer.concat([headOf(sizeBytes), DATA.subarray(0, sizeBytes), Buffer.from("more")]);
    const answer = await get("http", (socket) => void socket.end(wire), 1);
    const { pieces, error } = await read(answer);
    expect([Buffer.concat(pieces).equals(DATA.subarray(0, sizeBytes)), error]).toEqual([true, undefined]);
    expect(directBodyOf(answer)?.hasSurplus).toBe(true);
  }
});

test("an error that a caller ends the answer with is the body's", async () => {
  const answer = await get("http", (socket) => void socket.write(Buffer.concat([headOf(100), Buffer.from("abc")])), 1);
  const reading = read(answer);
  answer.destroy(new Error("too slow"));
  expect(await reading).toMatchObject({ pieces: [Buffer.from("abc")], error: { message: "too slow" } });
});

test.each([
  ["chunks", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "200 OK", "abc"],
  ["no length", "\r\nuntil the end", "200 OK", "until the end"],
  ["less than the least", "content-length: 3\r\n\r\nabc", "200 OK", "abc"],
  ["a refusal", "content-length: 20\r\n\r\n01234567890123456789", "404 Not Found", "01234567890123456789"],
])("an answer with %s is read as ever", async (_, rest, status, body) => {
  const answer = await get("http", (socket) => void socket.end(`HTTP/1.1 ${status}\r\n${rest}`), 10);
  expect(directBodyOf(answer)).toBeUndefined();
  expect((await buffer(answer)).toString()).toBe(body);
});

test("a connection serves other requests until a body is diverted", async () => {
  let connections = 0;
  const server = createServer((request, response) => response.end(DATA.subarray(0, Number(request.url?.slice(1)))));
  server.on("connection", () => (connections += 1));
  const agent = withDirectBodies(new Agent({ keepAlive: true, maxSockets: 1 }));
  agents.push(agent);
  const { port } = await listen(server);
  for (const sizeBytes of [10, 400_000, 20, 2_000_000, 30]) {
    const request = httpRequest({ host: "127.0.0.1", port, path: `/${sizeBytes}`, agent });
    divertBody(request, 1_000_000);
    request.end();
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    const direct = directBodyOf(answer);
    expect(direct !== undefined).toBe(sizeBytes > 1_000_000);
    const body = direct === undefined ? await buffer(answer) : Buffer.concat((await read(answer)).pieces);
    expect(body.equals(DATA.subarray(0, sizeBytes))).toBe(true);
    if (direct !== undefined) answer.destroy();
  }
  expect(connections).toBe(2);
});

function headOf(sizeBytes: number): Buffer {
  return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${sizeBytes}\r\n\r\n`);
}

async function get(scheme: "http" | "https", serve: (socket: Socket) => void, bytesMin: number): Promise<IncomingMessage> {
  const onSocket = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
    socket.once("data", () => serve(socket));
  };
  const { key, certificate: cert, authority: ca } = certificate;
  const server = scheme === "http" ? createTcpServer({ noDelay: true }, onSocket) : createTlsServer({ key, cert }, onSocket);
  const { port } = await listen(server);
  const agent = withDirectBodies(scheme === "http" ? new Agent() : new HttpsAgent({ ca }));
  const request = (scheme === "http" ? httpRequest : httpsRequest)({ host: "localhost", port, agent });
  divertBody(request, bytesMin);
  request.on("error", () => undefined);
  request.end();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  answer.on("error", () => undefined);
  return answer;
}

async function listen(server: Server): Promise<AddressInfo> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address() as AddressInfo;
}

async function sendInPieces(socket: Socket, wire: Buffer, cuts: readonly number[]): Promise<void> {
  for (const [index, end] of [...cuts, wire.length].entries()) {
    const isOut = Promise.withResolvers<void>();
    socket.write(wire.subarray(cuts[index - 1] ?? 0, end), () => isOut.resolve());
    await isOut.promise;
    // Else the kernel may join it to the next piece.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function read(answer: IncomingMessage): Promise<{ readonly pieces: readonly Buffer[]; readonly error: unknown }> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of directBodyOf(answer) ?? []) pieces.push(Buffer.from(piece));
    return { pieces, error: undefined };
  } catch (error) {
    return { pieces, error };
  }
}
