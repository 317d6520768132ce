import { once } from "node:events";
import { expect, test } from "vitest";
import { connectThrough, getSecurely, handshake, readAnswer } from "../kit/door-client.ts";
import { ORIGIN_ADDRESS } from "../kit/lab.ts";
import type { LabDoor } from "../kit/lab-proxy.ts";
import { splitFirstWrite } from "../kit/split-socket.ts";
import { useLab } from "../kit/use-lab.ts";

const under = useLab({ domains: ["example.com", ".example.org"] });
const ZONE = { "example.com": [{ a: [ORIGIN_ADDRESS] }], "evil.example.org": [{ a: [ORIGIN_ADDRESS] }] };

async function openDoor(): Promise<LabDoor & { readonly ca: string }> {
  const { lab, proxy } = under();
  await lab.setZone(ZONE);
  return { ...(await proxy.openDoor({ domains: ["example.com", "evil.example.org"] })), ca: lab.authority };
}

/** Bytes that came to any origin or canary; a connection alone says nothing. */
async function bytesBeyond(): Promise<number> {
  const { canaries, connections } = await under().lab.takeSightings();
  return [...canaries, ...connections].reduce((sum, { bytes }) => sum + bytes, 0);
}

test("a handshake that names the host of the tunnel goes through, and the origin's certificate is the origin's", async () => {
  const { ca, ...door } = await openDoor();
  expect(await getSecurely(door, "https://example.com/a", { ca })).toMatchObject({
    status: 200,
    body: expect.stringContaining("hello from example.com/a"),
  });
});

test.each([
  ["another host, though that is on the list as well", { servername: "evil.example.org" }],
  ["a host below it", { servername: "www.example.com" }],
  ["none", { servername: "" }],
])("a handshake that names %s is cut before a byte of it reaches the origin", async (_, options) => {
  const { ca, ...door } = await openDoor();
  await expect(getSecurely(door, "https://example.com/", { ca, ...options, rejectUnauthorized: false })).rejects.toThrow(
    /cut|disconnected|ECONNRESET|alert/u,
  );
  expect(await bytesBeyond()).toBe(0);
});

test("the end of a tunnel that named the wrong host is told with the door's use", async () => {
  const { ca, ...door } = await openDoor();
  await getSecurely(door, "https://example.com/", { ca, servername: "evil.example.org" }).catch(() => undefined); // As above.
  const { use } = (await under().proxy.api.listDoors({})).doors.find(({ executionId }) => executionId === door.executionId) ?? {};
  expect(use?.hosts.map(({ host, reason }) => ({ host, reason }))).toContainEqual({
    host: "example.com",
    reason: "EGRESS_TLS_NAME_MISMATCH",
  });
});

test("a handshake in twenty pieces goes through as if it were whole", async () => {
  const { ca, ...door } = await openDoor();
  const { socket } = await connectThrough(door, "example.com:443");
  const secure = await handshake(splitFirstWrite(socket, 20), { ca, servername: "example.com" });
  expect(secure.authorized).toBe(true);
  socket.destroy();
});

test("a wrong name in twenty pieces is cut as well", async () => {
  const { ca, ...door } = await openDoor();
  const { socket } = await connectThrough(door, "example.com:443");
  await expect(handshake(splitFirstWrite(socket, 20), { ca, servername: "evil.example.org" })).rejects.toThrow(CUT);
  expect(await bytesBeyond()).toBe(0);
});

test("a handshake of more than 17 KB, which takes two records, is understood", async () => {
  const { ca, ...door } = await openDoor();
  const { socket } = await connectThrough(door, "example.com:443");
  const secure = await handshake(socket, { ca, servername: "example.com", ALPNProtocols: manyProtocols() });
  expect(secure.alpnProtocol).toBe("http/1.1");
  socket.destroy();
  await bytesBeyond();
  const { socket: other } = await connectThrough(door, "example.com:443");
  await expect(handshake(other, { ca, servername: "evil.example.org", ALPNProtocols: manyProtocols() })).rejects.toThrow(CUT);
  expect(await bytesBeyond()).toBe(0);
});

test.each([
  ["SSH", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["NATS", 'CONNECT {"verbose":false}\r\nPING\r\n'],
  ["Redis", "*1\r\n$4\r\nPING\r\n"],
  ["plain HTTP", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"],
  ["SMTP", "EHLO example.com\r\n"],
  ["a TLS record that is no handshake", "\u0017\u0003\u0003\u0000\u0005hello"],
  ["a handshake that is no ClientHello", "\u0016\u0003\u0001\u0000\u0005\u0002\u0000\u0000\u0001\u0000"],
  ["SSLv2", "\u0080\u002e\u0001\u0000\u0002\u0000\u0015\u0000\u0000\u0000\u0010"],
])("a tunnel that begins with %s is cut before a byte of it reaches the origin", async (_, begin) => {
  const door = await openDoor();
  const { status, socket } = await connectThrough(door, "example.com:443");
  expect(status).toBe(200);
  const closed = once(socket, "close", { signal: AbortSignal.timeout(10_000) });
  socket.resume().write(begin, "latin1");
  await closed;
  expect(await bytesBeyond()).toBe(0);
});

test("a client that waits for the server to speak first, or goes, leaves no byte and no connection behind", async () => {
  const { proxy } = under();
  const door = await openDoor();
  const { socket } = await connectThrough(door, "example.com:443");
  socket.destroy();
  await expect.poll(async () => (await proxy.door(door.executionId))?.connections, { timeout: 5_000 }).toBe(0);
  expect(await bytesBeyond()).toBe(0);
});

test.each(["example.com:22", "example.com:25", "example.com:6379", "example.com:1234", "example.com:8443"])(
  "%s is refused for its port",
  async (target) => {
    const { status, headers, body } = await connectThrough(await openDoor(), target);
    expect({ status, reason: headers["x-skrei-reason"] }).toEqual({ status: 403, reason: "EGRESS_PORT_DENIED" });
    expect(body).toContain(target.split(":")[1]);
    expect(await under().lab.takeSightings()).toMatchObject({ canaries: [], connections: [] });
  },
);

test.each([
  "example.com:0",
  "example.com:65536",
  "example.com:",
  "example.com",
  "example.com:4 43",
  "example.com:+443",
  "example.com:0x1bb",
  "user@example.com:443",
  "http://example.com/",
  "/",
  "*",
  ":443",
])("CONNECT to %j is refused", async (target) => {
  const { status } = await connectThrough(await openDoor(), target);
  expect([400, 403]).toContain(status);
  expect(await under().lab.takeSightings()).toMatchObject({ canaries: [], connections: [] });
});

test("a tunnel to the port of plain HTTP carries requests to that host, one after the other, judged and counted as any other", async () => {
  const { lab, proxy } = under();
  const door = await openDoor();
  const { socket } = await connectThrough(door, "example.com:80");
  for (const [host, path] of [
    ["example.com", "/a"],
    ["EXAMPLE.com:80", "/b?c"],
  ]) {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Basic eA==\r\n\r\n`);
    expect(await readAnswer(socket)).toMatchObject({ status: 200, body: expect.stringContaining("hello from example.com") });
  }
  socket.destroy();
  const { requests } = await lab.takeSightings();
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual(["GET /a", "GET /b?c"]);
  expect(requests.flatMap(({ rawHeaders }) => rawHeaders.map((text) => text.toLowerCase()))).not.toContain("proxy-authorization");
  const { use } = (await proxy.door(door.executionId)) ?? {};
  expect(use?.hosts).toMatchObject([{ host: "example.com", requests: 2n, denied: 0n }]);
});

test.each([
  ["another host, though that is on the list as well", "GET / HTTP/1.1\r\nHost: evil.example.org\r\n\r\n"],
  ["another port", "GET / HTTP/1.1\r\nHost: example.com:443\r\n\r\n"],
  ["no host", "GET / HTTP/1.1\r\n\r\n"],
  ["two hosts", "GET / HTTP/1.1\r\nHost: example.com\r\nHost: example.com\r\n\r\n"],
  ["a whole URL", "GET http://evil.example.org/ HTTP/1.1\r\nHost: example.com\r\n\r\n"],
  ["a path with two ends", "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["a tunnel of its own", "CONNECT evil.example.org:443 HTTP/1.1\r\nHost: evil.example.org:443\r\n\r\n"],
  ["a method that is not forwarded", "TRACE / HTTP/1.1\r\nHost: example.com\r\n\r\n"],
  ["SSH", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["NATS", 'CONNECT {"verbose":false}\r\nPING\r\n'],
  ["a TLS handshake", "\u0016\u0003\u0001\u0000\u0005\u0001\u0000\u0000\u0001\u0000"],
])("a tunnel to the port of plain HTTP that carries %s is refused before a byte of it reaches the origin", async (_, begin) => {
  const { socket } = await connectThrough(await openDoor(), "example.com:80");
  socket.write(begin, "latin1");
  const answer = await readAnswer(socket).catch((error: unknown) => String(error));
  if (typeof answer === "string") expect(answer).toContain("without an answer");
  else expect([400, 403, 405]).toContain(answer.status);
  socket.destroy();
  expect(await bytesBeyond()).toBe(0);
});

test("a tunnel to the port of plain HTTP ends with its door", async () => {
  const { proxy } = under();
  const door = await openDoor();
  const { socket } = await connectThrough(door, "example.com:80");
  const closed = once(socket.resume(), "close", { signal: AbortSignal.timeout(5_000) });
  await proxy.api.closeDoor(door);
  await closed;
});

test("a space too many after the target changes nothing about where it leads", async () => {
  const { status, socket } = await connectThrough(await openDoor(), "example.com:443 ");
  socket.destroy();
  expect([200, 400, 403]).toContain(status);
  expect((await under().lab.takeSightings()).canaries).toEqual([]);
});

/** Enough to fill more than one record of 16 KiB. */
function manyProtocols(): string[] {
  return ["http/1.1", ...Array.from({ length: 90 }, (_, index) => `x-${index}-`.padEnd(200, "x"))];
}

const CUT = /cut|disconnected|ECONNRESET|EPIPE|alert/u;
