import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { connect as connectTls, createServer as createTlsServer, type Server } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "../../../../../test/kit/counting-origin.ts";
import { connectThrough, getSecurely } from "../../../../../test/kit/door-client.ts";
import { type EgressLab, type LabDoor, readFrom, startEgressLab } from "../../../../../test/kit/egress-lab.ts";
import { eventually } from "../../../../../test/kit/eventually.ts";
import { type LabCertificate, makeLabCertificate } from "../../../../../test/kit/lab-certificate.ts";

let lab: EgressLab;
let door: LabDoor;
let origin: CountingOrigin;
let certificate: LabCertificate;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-tunnels-"));
  certificate = await makeLabCertificate(folder, ["a.test", "b.test"]);
});
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  origin = await startCountingOrigin({ onBytes: (socket) => socket.write("*") });
  lab = await startEgressLab({ ports: [origin.port, 0x7fff], headerTimeoutMs: 300 });
  lab.names.set("a.test", ["127.0.0.1"]);
  door = await lab.open(["a.test", "dead.test"]);
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function tunnel(): Promise<Socket> {
  const { status, socket } = await connectThrough(door, `a.test:${origin.port}`);
  expect(status).toBe(200);
  return socket;
}

/** The first bytes that a TLS client sends. */
async function clientHello(servername: string): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const duplex = new Duplex({ read: () => undefined, write: (chunk: Buffer, _encoding, done) => (resolve(chunk), done()) });
  const secure = connectTls({ socket: duplex, ...(servername !== "" && { servername }) });
  secure.on("error", () => undefined);
  const bytes = await promise;
  secure.destroy();
  return bytes;
}

async function use(): Promise<{ requests: number; denied: number; reasons: readonly string[] }> {
  const { doors } = await lab.client.listDoors({});
  const counted = doors.find(({ executionId }) => executionId === door.executionId)?.use;
  return {
    requests: Number(counted?.requests),
    denied: Number(counted?.denied),
    reasons: (counted?.hosts ?? []).map(({ reason }) => reason),
  };
}

test("carries TLS to the host that it names", async () => {
  const server: Server = createTlsServer({ key: certificate.key, cert: certificate.certificate }, (socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await using secureLab = await startEgressLab({ ports: [port] });
  secureLab.names.set("a.test", ["127.0.0.1"]);
  const secureDoor = await secureLab.open(["a.test"]);
  expect(await getSecurely(secureDoor, `https://a.test:${port}/`, { ca: certificate.authority })).toMatchObject({
    status: 200,
    body: "hi",
  });
  server.close();
});

test("reads the handshake however it is cut, and sends nothing on before it is whole", async () => {
  const hello = await clientHello("a.test");
  const socket = await tunnel();
  socket.setNoDelay(true);
  for (const byte of hello.subarray(0, -1)) if (!socket.write(Buffer.of(byte))) await once(socket, "drain");
  expect(origin.received).toEqual([Buffer.alloc(0)]);
  socket.write(Buffer.concat([hello.subarray(-1), Buffer.from("more")]));
  await eventually(
    () => origin.text(),
    (text) => text.endsWith("more"),
    { withinMs: 2_000 },
  );
  expect(Buffer.concat(origin.received)).toEqual(Buffer.concat([hello, Buffer.from("more")]));
  socket.destroy();
});

test.each([
  ["another host", "b.test", "EGRESS_TLS_NAME_MISMATCH"],
  ["no host", "", "EGRESS_TLS_NAME_MISMATCH"],
])("cuts a handshake that names %s", async (_name, servername, reason) => {
  const socket = await tunnel();
  socket.write(await clientHello(servername));
  expect(await readFrom(socket)).toBe("");
  expect(origin.text()).toBe("");
  expect(await use()).toEqual({ requests: 1, denied: 1, reasons: [reason] });
});

test.each([
  ["plain HTTP", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["something like TLS", "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"],
  ["more than a handshake may be", `\x16\x03\x01\x40\x00\x01\x00\xff\xff${"\0".repeat(16_380)}`.repeat(3)],
  ["nothing in time", ""],
  ["the beginning of a handshake", "\x16\x03\x01"],
])("cuts a tunnel that begins with %s", async (_name, bytes) => {
  const socket = await tunnel();
  socket.write(Buffer.from(bytes, "latin1"));
  expect(await readFrom(socket)).toBe("");
  expect(origin.text()).toBe("");
  expect(await use()).toEqual({ requests: 1, denied: 1, reasons: ["EGRESS_TLS_REQUIRED"] });
});

test("answers 502 when the origin is not there, and counts no denial", async () => {
  const dead = await startCountingOrigin();
  await dead[Symbol.asyncDispose]();
  await using other = await startEgressLab({ ports: [dead.port] });
  other.names.set("dead.test", ["127.0.0.1", "127.0.0.2"]);
  const answer = await connectThrough(await other.open(["dead.test"]), `dead.test:${dead.port}`);
  expect(answer).toMatchObject({ status: 502, headers: { "x-skrei-reason": "EGRESS_ORIGIN_UNREACHABLE" } });
  const { doors } = await other.client.listDoors({});
  expect(doors[0]?.use).toMatchObject({ requests: 1n, denied: 0n });
});

test("answers 502 to a name that has no address", async () => {
  const answer = await connectThrough(door, `dead.test:${origin.port}`);
  expect(answer).toMatchObject({ status: 502, headers: { "x-skrei-reason": "EGRESS_NAME_UNRESOLVED" } });
});

test("tries the next address when one does not answer", async () => {
  lab.names.set("a.test", ["127.0.0.9", "127.0.0.8", "127.0.0.1"]);
  (await tunnel()).destroy();
});

test("keeps the other direction when one has ended, and is gone when both have", async () => {
  const socket = await tunnel();
  socket.end(await clientHello("a.test"));
  expect(await readFrom(socket)).toBe("*");
  await eventually(
    () => origin.connections(),
    (open) => open === 0,
    { withinMs: 2_000 },
  );
});

test("leaves nothing behind, whichever side goes and whenever", async () => {
  const hello = await clientHello("a.test");
  const early = connect(door.socketPath);
  early.write("CONNECT a.te");
  await once(early, "connect");
  early.destroy();
  const dialling = connect(door.socketPath);
  dialling.write(`CONNECT a.test:${origin.port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${door.authorization}\r\n\r\n`, () =>
    dialling.destroy(),
  );
  const unread = await tunnel();
  unread.destroy();
  const broken = await tunnel();
  broken.write(hello);
  await readFrom(broken, (text) => text === "*");
  broken.destroy();
  const half = await tunnel();
  half.write(hello);
  await readFrom(half, (text) => text === "*");
  await lab.client.closeDoor({ executionId: door.executionId });
  expect(await readFrom(half)).toBe("");
  await eventually(
    () => origin.connections(),
    (open) => open === 0,
    { withinMs: 2_000 },
  );
  expect((await lab.client.listDoors({})).doors).toEqual([]);
});
