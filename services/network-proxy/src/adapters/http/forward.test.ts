import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EgressLab, getRequest, type LabDoor, sendRaw, startEgressLab } from "../../../../../test/kit/egress-lab.ts";

let lab: EgressLab;
let door: LabDoor;
let origin: Server;
let port: number;
let seen: { url: string | undefined; headers: readonly string[] }[];

beforeEach(async () => {
  seen = [];
  origin = createServer((request, response) => {
    seen.push({ url: request.url, headers: request.rawHeaders });
    if (request.url === "/pieces") {
      response.write("one");
      response.end("two");
    } else if (request.url === "/unfinished") response.flushHeaders();
    else if (request.method === "GET") response.end("hello");
    else request.pipe(response);
  });
  origin.listen(0, "127.0.0.1");
  await once(origin, "listening");
  port = (origin.address() as AddressInfo).port;
  lab = await startEgressLab({ ports: [port] });
  lab.names.set("allowed.test", ["127.0.0.1"]);
  door = await lab.open(["allowed.test"]);
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  origin.closeAllConnections();
  origin.close();
});

test("forwards what is on the list, written anew", async () => {
  const answer = await sendRaw(
    door,
    getRequest(door, `http://ALLOWED.test.:${port}/a?b=c`, ["Connection: close, X-Hop", "X-Hop: 1", "X-End: 2"]),
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhello$/u);
  expect(seen).toEqual([{ url: "/a?b=c", headers: ["Host", `allowed.test:${port}`, "X-End", "2", "Connection", "keep-alive"] }]);
});

test("refuses what is not, and says what to do", async () => {
  const answer = await sendRaw(door, getRequest(door, `http://other.test:${port}/`));
  expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/u);
  expect(answer).toContain("X-Skrei-Reason: EGRESS_HOST_NOT_ON_JOB_LIST\r\n");
  expect(answer).toContain("other.test");
  expect(seen).toEqual([]);
});

test("an answer in pieces arrives whole, in their order", async () => {
  const answer = await sendRaw(door, getRequest(door, `http://allowed.test:${port}/pieces`));
  expect(answer).toMatch(/\r\n\r\n(?:3\r\none\r\n3\r\ntwo|6\r\nonetwo)\r\n0\r\n\r\n$/u);
});

test("the head of an answer does not wait for its body", async () => {
  const request = getRequest(door, `http://allowed.test:${port}/unfinished`);
  expect(await sendRaw(door, request, (text) => text.endsWith("\r\n\r\n"))).toMatch(/^HTTP\/1\.1 200 OK\r\n/u);
});

test("requests to one origin share its connections, though not with another door", async () => {
  let connections = 0;
  origin.on("connection", () => (connections += 1));
  const other = await lab.open(["allowed.test"]);
  for (const asking of [door, door, other]) await sendRaw(asking, getRequest(asking, `http://allowed.test:${port}/`));
  expect(connections).toBe(2);
});
