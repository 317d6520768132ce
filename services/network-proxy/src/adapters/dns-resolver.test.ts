import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DNS_RCODE, DNS_TYPE, readQuery, writeAnswer } from "../../../../test/kit/lab/dns-wire.ts";
import type { Resolver } from "../ports.ts";
import { createDnsResolver } from "./dns-resolver.ts";

let server: Socket;
let queries: string[];
let zone: Record<string, { a?: readonly string[]; ttlSeconds?: number; rcode?: number }>;
let folder: string;
let resolver: Resolver;
let servers: readonly string[];

beforeEach(async () => {
  queries = [];
  zone = {};
  server = createSocket("udp4");
  server.on("message", (message, { port, address }) => {
    const question = readQuery(message);
    if (question === undefined) return;
    const answer = zone[question.name];
    if (question.type === DNS_TYPE.A) queries.push(question.name);
    const data = question.type === DNS_TYPE.A ? (answer?.a ?? []) : [];
    const records = data.map((text) => ({
      name: question.name,
      type: DNS_TYPE.A,
      ttlSeconds: answer?.ttlSeconds ?? 0,
      data: Buffer.from(text.split(".").map(Number)),
    }));
    const rcode = answer === undefined ? DNS_RCODE.NXDOMAIN : (answer.rcode ?? DNS_RCODE.NOERROR);
    server.send(writeAnswer(message, question, { records, rcode, bytesMax: 512 }), port, address);
  });
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  servers = [`127.0.0.1:${server.address().port}`];
  folder = mkdtempSync(join(tmpdir(), "skrei-hosts-"));
  writeFileSync(join(folder, "hosts"), "127.0.0.5 Listed.test other # 127.0.0.6 hidden.test\n::1 listed.test\nnonsense x\n");
  resolver = createDnsResolver({ servers: () => servers, hostsPath: join(folder, "hosts") });
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

test("takes a name from the hosts file before it asks", async () => {
  expect(await resolver.resolve("listed.test")).toEqual(["127.0.0.5", "::1"]);
  await expect(resolver.resolve("hidden.test")).rejects.toMatchObject({ reason: "EGRESS_NAME_UNRESOLVED" });
  expect(queries).toEqual(["hidden.test"]);
});

test("asks once for all who ask at the same time, and again as soon as the records have run out", async () => {
  zone["a.test"] = { a: ["192.0.2.1", "192.0.2.2"] };
  const answers = await Promise.all(Array.from({ length: 20 }, () => resolver.resolve("a.test")));
  expect(new Set(answers.map((answer) => answer.join()))).toEqual(new Set(["192.0.2.1,192.0.2.2"]));
  expect(queries).toEqual(["a.test"]);
  zone["a.test"] = { a: ["192.0.2.9"], ttlSeconds: 60 };
  expect(await resolver.resolve("a.test")).toEqual(["192.0.2.9"]);
  zone["a.test"] = {};
  expect(await resolver.resolve("a.test")).toEqual(["192.0.2.9"]);
  expect(queries).toHaveLength(2);
});

test("says which name it is that has no address, or whose server does not say", async () => {
  zone["empty.test"] = {};
  zone["broken.test"] = { rcode: DNS_RCODE.SERVFAIL };
  await expect(resolver.resolve("empty.test")).rejects.toThrow("empty.test has no address.");
  await expect(resolver.resolve("gone.test")).rejects.toThrow("gone.test has no address.");
  await expect(resolver.resolve("broken.test")).rejects.toThrow("The name server did not say what broken.test is (ESERVFAIL).");
});

test("forgets what other servers said when the policy names new ones", async () => {
  zone["a.test"] = { a: ["192.0.2.1"], ttlSeconds: 60 };
  await resolver.resolve("a.test");
  servers = [`127.0.0.1:${server.address().port}`, `127.0.0.1:${server.address().port}`];
  await resolver.resolve("a.test");
  expect(queries).toHaveLength(2);
});
