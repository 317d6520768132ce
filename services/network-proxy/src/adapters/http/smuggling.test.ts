import { afterEach, beforeEach, expect, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "../../../../../test/kit/counting-origin.ts";
import { type EgressLab, type LabDoor, sendRaw, startEgressLab } from "../../../../../test/kit/egress-lab.ts";

let lab: EgressLab;
let door: LabDoor;
let origin: CountingOrigin;

beforeEach(async () => {
  origin = await startCountingOrigin();
  lab = await startEgressLab({ ports: [origin.port], headerTimeoutMs: 2_000 });
  lab.names.set("a.test", ["127.0.0.1"]).set("b.test", ["127.0.0.1"]);
  door = await lab.open(["a.test"]);
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** `§a` is the allowed origin, `§b` one that is not, `§key` the line with the credential. */
function written(text: string): string {
  const address = (name: string): string => `${name}.test:${origin.port}`;
  return text
    .replaceAll("§key", `Proxy-Authorization: ${door.authorization}`)
    .replaceAll(/§([ab])/gu, (_all, name: string) => address(name));
}

const CL_TE = "\r\nHost: §a\r\n§key\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

test.each([
  ["a length and chunks", `POST http://§a/ HTTP/1.1${CL_TE}`],
  [
    "chunks and a length",
    "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
  ],
  ["two lengths", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"],
  ["two equal lengths", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"],
  ["a list of lengths", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: 3, 3\r\n\r\nabc"],
  ["a length that begins with a zero", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: 03\r\n\r\nabc"],
  ["a signed length", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: +3\r\n\r\nabc"],
  ["a negative length", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: -3\r\n\r\nabc"],
  ["a length in hex", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: 0x3\r\n\r\nabc"],
  ["a length beyond numbers", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: 18446744073709551619\r\n\r\nabc"],
  ["gzip before chunked", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
  ["chunked twice", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"],
  [
    "two transfer encodings",
    "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
  ],
  ["an unknown encoding", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
  ["identity", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: identity\r\n\r\n"],
  ["a vertical tab before chunked", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n"],
  ["a space before the colon", "POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"],
  ["chunks in HTTP/1.0", "POST http://§a/ HTTP/1.0\r\nHost: §a\r\n§key\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["a folded header", "GET http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nX: a\r\n b\r\n\r\n"],
  ["a folded first header", "GET http://§a/ HTTP/1.1\r\n Host: §a\r\n§key\r\n\r\n"],
  ["a bare line feed after a header", "GET http://§a/ HTTP/1.1\r\nHost: §a\n§key\r\n\r\n"],
  ["a bare line feed after the first line", "GET http://§a/ HTTP/1.1\nHost: §a\r\n§key\r\n\r\n"],
  ["a bare line feed at the end", "GET http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\n"],
  ["a bare carriage return", "GET http://§a/ HTTP/1.1\r\nHost: §a\rX: b\r\n§key\r\n\r\n"],
  ["a zero byte in a value", "GET http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nX: a\0b\r\n\r\n"],
  ["a control byte in a value", "GET http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nX: a\x01b\r\n\r\n"],
  ["a control byte in the URL", "GET http://§a/\x01 HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a tab in the URL", "GET http://§a/\ta HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a space in the URL", "GET http://§a/ b HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["several hosts", "GET http://§a/ HTTP/1.1\r\nHost: §a\r\nHost: §b\r\n§key\r\n\r\n"],
  ["a path alone", "GET /x HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["an asterisk", "OPTIONS * HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a user name in the URL", "GET http://user:pass@§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a host hidden behind a user name", "GET http://b.test@§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a fragment", "GET http://§a/#x HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a backslash in the host", "GET http://§a\\x/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["another scheme", "GET ftp://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["https with the whole URL", "GET https://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["no host", "GET http:///x HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a port beyond ports", "GET http://a.test:99999/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["HTTP/0.9", "GET http://§a/\r\nHost: §a\r\n§key\r\n\r\n"],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["HTTP/1.2", "GET http://§a/ HTTP/1.2\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a header without a colon", "GET http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nXfoo\r\n\r\n"],
  ["a header without a name", "GET http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\n: x\r\n\r\n"],
  ["a tunnel without a port", "CONNECT a.test HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a tunnel to a URL", "CONNECT http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a tunnel with a body", "CONNECT §a HTTP/1.1\r\nHost: §a\r\n§key\r\nContent-Length: 3\r\n\r\nabc"],
  ["a tunnel with a user name", "CONNECT x@§a HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\n"],
  ["a head of 20 kB", `GET http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nX: ${"a".repeat(20_000)}\r\n\r\n`],
])("answers 400 to %s, hangs up, and sends nothing on", async (_name, request) => {
  const answer = await sendRaw(door, written(request));
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/u);
  expect(answer).toContain("X-Skrei-Reason: EGRESS_REQUEST_INVALID\r\n");
  expect(answer.match(/^HTTP\/1\.1 /gmu)).toHaveLength(1);
  expect(origin.received).toEqual([]);
});

test.each([
  ["TRACE", 405],
  ["PROPFIND", 405],
  ["FOO", 405],
  ["get", 405],
])("answers %s with %i and sends nothing on", async (method, status) => {
  const answer = await sendRaw(door, written(`${method} http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nConnection: close\r\n\r\n`));
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `, "u"));
  expect(answer).toContain("EGRESS_METHOD_DENIED");
  expect(origin.received).toEqual([]);
});

test.each([
  ["a chunk size with a sign", "-3\r\nabc\r\n0\r\n\r\n"],
  ["a chunk size beyond numbers", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"],
  ["a bare line feed after a chunk size", "3\nabc\r\n0\r\n\r\n"],
  ["a chunk longer than it says", "3\r\nabcdef\r\n0\r\n\r\n"],
])("never completes a request with %s", async (_name, body) => {
  await sendRaw(door, written(`POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: chunked\r\n\r\n`) + body);
  expect(origin.text()).not.toMatch(/0\r\n\r\n$/u);
});

test("rewrites the host, drops what belongs to the connection, and sends the rest once", async () => {
  const headers = [
    "Host: evil.test",
    "Connection: keep-alive, X-Secret, content-length",
    "X-Secret: 1",
    "Keep-Alive: 5",
    "TE: trailers",
    "Upgrade: h2c",
  ];
  const more = ["HTTP2-Settings: AA", "Proxy-Connection: keep-alive", "Proxy-Foo: 1", "Trailer: X", "X-End: kept", "Content-Length: 3"];
  const answer = await sendRaw(
    door,
    written(`POST http://§a/p?q HTTP/1.1\r\n§key\r\n${[...headers, ...more].join("\r\n")}\r\n\r\nabc`),
    (text) => text.endsWith("ok"),
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/u);
  expect(origin.text()).toBe(
    `POST /p?q HTTP/1.1\r\nHost: a.test:${origin.port}\r\nX-End: kept\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`,
  );
});

test("drops chunk extensions and trailers", async () => {
  const body = "3;evil=1\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n";
  await sendRaw(door, written("POST http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\nTransfer-Encoding: chunked\r\n\r\n") + body, (text) =>
    text.endsWith("ok"),
  );
  expect(origin.text()).toMatch(/\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/u);
});

test("decides for each request on a connection, in order", async () => {
  const one = (host: string, last: boolean): string =>
    `GET http://${host}/ HTTP/1.1\r\nHost: §a\r\n§key\r\n${last ? "Connection: close\r\n" : ""}\r\n`;
  const answer = await sendRaw(door, written(one("§a", false) + one("§b", false) + one("§a", true)));
  expect(answer.match(/HTTP\/1\.1 \d+/gu)).toEqual(["HTTP/1.1 200", "HTTP/1.1 403", "HTTP/1.1 200"]);
  expect(origin.text().match(/GET/gu)).toHaveLength(2);
  expect(origin.text()).not.toContain("b.test");
});

test("answers what came before a request that cannot be read", async () => {
  const answer = await sendRaw(
    door,
    written("GET http://§a/ HTTP/1.1\r\nHost: §a\r\n§key\r\n\r\nGET http://§a/ HTTP/1.1\r\nHost : A\r\n\r\n"),
  );
  expect(answer.match(/HTTP\/1\.1 \d+/gu)).toEqual(["HTTP/1.1 200", "HTTP/1.1 400"]);
  expect(origin.text().match(/GET/gu)).toHaveLength(1);
});

test.each([
  ["none", ""],
  ["another secret", "Proxy-Authorization: Basic ZS14OnN0b2xlbg==\r\n"],
  ["two of them", "§key\r\n§key\r\n"],
  ["another scheme", "Proxy-Authorization: Bearer x\r\n"],
])("answers 407 to a credential that is %s", async (name, line) => {
  const plain = await sendRaw(door, written(`GET http://§a/ HTTP/1.1\r\nHost: §a\r\n${line}Connection: close\r\n\r\n`));
  const tunnel = await sendRaw(door, written(`CONNECT §a HTTP/1.1\r\nHost: §a\r\n${line}\r\n`));
  for (const answer of [plain, tunnel]) {
    expect(answer).toMatch(/^HTTP\/1\.1 407 Proxy Authentication Required\r\n/u);
    expect(answer).toContain("X-Skrei-Reason: EGRESS_CREDENTIAL_INVALID\r\n");
    expect(answer).toContain("Proxy-Authenticate: Basic");
  }
  expect(origin.received).toEqual([]);
  const { doors } = await lab.client.listDoors({});
  expect(Number(doors[0]?.use?.denied)).toBe(name === "none" ? 0 : 2);
});

test("knows the secrets of other and of ended executions for what they are", async () => {
  const other = await lab.open(["a.test"]);
  const request = `GET http://a.test:${origin.port}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${other.authorization}\r\nConnection: close\r\n\r\n`;
  expect(await sendRaw(door, request)).toMatch(/^HTTP\/1\.1 407 /u);
  await lab.client.closeDoor({ executionId: other.executionId });
  expect(await sendRaw(door, request)).toMatch(/^HTTP\/1\.1 407 /u);
  expect(await sendRaw(other, request)).toBe("");
  expect(origin.received).toEqual([]);
});
