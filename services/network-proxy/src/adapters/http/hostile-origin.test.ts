import type { Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "../../../../../test/kit/counting-origin.ts";
import { type EgressLab, getRequest, type LabDoor, sendRaw, startEgressLab } from "../../../../../test/kit/egress-lab.ts";
import { eventually } from "../../../../../test/kit/eventually.ts";

let lab: EgressLab;
let door: LabDoor;
let origin: CountingOrigin;
let url: string;
let answer: (socket: Socket) => void;

beforeEach(async () => {
  origin = await startCountingOrigin({ onBytes: (socket) => answer(socket) });
  lab = await startEgressLab({ ports: [origin.port] });
  lab.names.set("a.test", ["127.0.0.1"]);
  door = await lab.open(["a.test"]);
  url = `http://a.test:${origin.port}/`;
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

test.each([
  ["a control character in its reason", "HTTP/1.1 200 O\x01K\r\nContent-Length: 1\r\n\r\na"],
  ["a control character in a header", "HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 1\r\n\r\na"],
  ["a switch of protocols that it does not name", "HTTP/1.1 101 S\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"],
  ["a status below all", "HTTP/1.1 099 S\r\nContent-Length: 1\r\n\r\na"],
  ["a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
  ["an encoding that is not undone here", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc"],
  ["two encodings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
  ["chunked in the wrong place", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
  ["chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
  ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
  ["interim answers without end", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(200)],
])("answers 502 to an origin with %s", async (_name, text) => {
  answer = (socket) => void socket.write(Buffer.from(text, "latin1"));
  expect(await sendRaw(door, getRequest(door, url))).toMatch(/^HTTP\/1\.1 502 [\s\S]*EGRESS_ORIGIN_UNREACHABLE/u);
  await eventually(
    () => origin.connections(),
    (open) => open === 0,
    { withinMs: 2_000 },
  );
});

test("a few interim answers come before the answer, and stay here", async () => {
  answer = (socket) =>
    void socket.write(`${"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(3)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
  expect(await sendRaw(door, getRequest(door, url))).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/u);
});

test("bytes beyond ASCII in headers come through as they are, both ways", async () => {
  answer = (socket) => void socket.write("HTTP/1.1 200 OK\r\nX-Name: caf\u00e9 \u65e5\r\nContent-Length: 2\r\n\r\nok");
  const sent = Buffer.from("X-Name: caf\u00e9 \u65e5").toString("latin1");
  for (const [method, headers] of [
    ["GET", []],
    ["POST", ["Content-Length: 0"]],
    ["POST", ["Transfer-Encoding: chunked"]],
  ] as const) {
    const head = getRequest(door, url, ["Connection: close", sent, ...headers]).replace("GET", method);
    const received = await sendRaw(door, headers.includes("Transfer-Encoding: chunked" as never) ? `${head}0\r\n\r\n` : head);
    expect(Buffer.from(received, "latin1").toString()).toContain("X-Name: caf\u00e9 \u65e5\r\n");
  }
  const names = Buffer.concat(origin.received)
    .toString()
    .match(/X-Name: .*\r\n/gu);
  expect(names).toEqual(Array.from({ length: 3 }, () => "X-Name: caf\u00e9 \u65e5\r\n"));
});

test("a kept connection serves no request whose host leads elsewhere by now", async () => {
  answer = (socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  const request = getRequest(door, url);
  expect(await sendRaw(door, request)).toMatch(/^HTTP\/1\.1 200 /u);
  lab.names.set("a.test", ["127.0.0.9"]);
  expect(await sendRaw(door, request)).toMatch(/^HTTP\/1\.1 502 /u);
  lab.names.set("a.test", ["127.0.0.1"]);
  expect(await sendRaw(door, request)).toMatch(/^HTTP\/1\.1 200 /u);
  expect(origin.text().match(/GET/gu)).toHaveLength(2);
});
