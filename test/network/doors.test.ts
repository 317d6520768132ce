import { once } from "node:events";
import { createConnection } from "node:net";
import { expect, test } from "vitest";
import { credentialLine, exchange, getThrough } from "../kit/door-client.ts";
import { ORIGIN_ADDRESS } from "../kit/lab.ts";
import type { LabDoor } from "../kit/lab-proxy.ts";
import { useLab } from "../kit/use-lab.ts";

const under = useLab({ domains: [".example.com", "other.example.org"] });
const DOMAINS = { domains: ["example.com", "www.example.com"] };

async function openDoor(): Promise<LabDoor> {
  const { lab, proxy } = under();
  const answer = [{ a: [ORIGIN_ADDRESS] }];
  await lab.setZone({ "example.com": answer, "www.example.com": answer, "other.example.org": answer, "no.example.com": answer });
  return await proxy.openDoor(DOMAINS);
}

test.each([
  ["no credential", ""],
  ["an empty one", "Proxy-Authorization: Basic \r\n"],
  ["another scheme", "Proxy-Authorization: Bearer abc\r\n"],
  ["a wrong secret", credentialLine({ credential: `e-0:${"0".repeat(43)}` })],
  ["no secret", credentialLine({ credential: "e-0:" })],
  ["no user", credentialLine({ credential: ":secret" })],
])("a request with %s is refused with 407 and reaches nothing", async (_, line) => {
  const { socketPath } = await openDoor();
  for (const target of ["GET http://example.com/", "CONNECT example.com:443"]) {
    const answer = await exchange(socketPath, `${target} HTTP/1.1\r\nHost: example.com\r\n${line}\r\n`);
    expect(answer).toMatchObject({ status: 407, headers: { "x-skrei-reason": "EGRESS_CREDENTIAL_INVALID" } });
  }
  expect(await under().lab.takeSightings()).toMatchObject({ canaries: [], connections: [], queries: {} });
});

test("a secret is worth nothing at another door, during its own door's life and after it", async () => {
  const { proxy, lab } = under();
  const [one, two] = [await openDoor(), await openDoor()];
  const stolen = { socketPath: one.socketPath, credential: two.credential };
  expect(await getThrough(one, "http://example.com/")).toMatchObject({ status: 200 });
  await lab.takeSightings();
  expect(await getThrough(stolen, "http://example.com/")).toMatchObject({ status: 407 });
  await proxy.api.closeDoor(two);
  expect(await getThrough(stolen, "http://example.com/")).toMatchObject({ status: 407 });
  await expect(getThrough(two, "http://example.com/")).rejects.toThrow("without an answer");
  expect(await lab.takeSightings()).toMatchObject({ canaries: [], connections: [] });
});

test("what is under way when a door is closed is cut", async () => {
  const { proxy } = under();
  const door = await openDoor();
  const socket = createConnection(door.socketPath);
  socket.write(`GET http://example.com/endless HTTP/1.1\r\nHost: example.com\r\n${credentialLine(door)}\r\n`);
  await once(socket, "data");
  const closed = once(socket.resume(), "close", { signal: AbortSignal.timeout(5_000) });
  const { use } = await proxy.api.closeDoor(door);
  await closed;
  expect(use?.hosts).toMatchObject([{ host: "example.com", requests: 1n, denied: 0n }]);
  expect(use?.receivedBytes).toBeGreaterThan(0n);
});

test("a refusal says what, why and what to do, and which rule is missing on which list", async () => {
  const { lab, proxy } = under();
  const door = await openDoor();
  const notOnJob = await getThrough(door, "http://no.example.com/path");
  expect(notOnJob).toMatchObject({ status: 403, headers: { "x-skrei-reason": "EGRESS_HOST_NOT_ON_JOB_LIST" } });
  expect(notOnJob.headers["proxy-status"]).toMatch(/^skrei; error=/u);
  expect(notOnJob.headers["content-type"]).toMatch(/^text\/plain/u);
  expect(notOnJob.body).toContain("no.example.com");
  await proxy.setPolicy({ domains: ["example.com"] });
  const notOnNode = await getThrough(door, "http://www.example.com/");
  expect(notOnNode).toMatchObject({ status: 403, headers: { "x-skrei-reason": "EGRESS_HOST_NOT_ON_NODE_LIST" } });
  await proxy.setPolicy({ domains: [".example.com", "other.example.org"] });
  expect(await getThrough(door, "http://www.example.com/")).toMatchObject({ status: 200 });
  expect(await lab.takeSightings()).toMatchObject({ canaries: [] });
});

test("each request of a connection is judged by itself", async () => {
  const door = await openDoor();
  const ask = (host: string, uri = `http://${host}/`): string => `GET ${uri} HTTP/1.1\r\nHost: ${host}\r\n${credentialLine(door)}\r\n`;
  const socket = createConnection(door.socketPath);
  let received = "";
  socket.on("data", (data: Buffer) => (received += data.toString("latin1")));
  socket.write(ask("example.com") + ask("no.example.com"));
  await expect
    .poll(() => [...received.matchAll(/^HTTP\/1\.1 (\d+)/gmu)].map(([, status]) => status), { timeout: 5_000 })
    .toEqual(["200", "403"]);
  socket.destroy();
  const { requests } = await under().lab.takeSightings();
  expect(requests.map(({ path, rawHeaders }) => ({ path, host: rawHeaders[rawHeaders.indexOf("Host") + 1] }))).toEqual([
    { path: "/", host: "example.com" },
  ]);
});

test("the URI decides and the origin hears of no other host; nothing of the door's secret gets out", async () => {
  const { lab } = under();
  const door = await openDoor();
  const answers = [
    await getThrough(door, "http://example.com/1", { host: "no.example.com" }),
    await getThrough(door, "http://example.com/2", { host: "example.com@no.example.com" }),
    await getThrough(door, "http://example.com/3", { host: "example.com\r\nHost: no.example.com" }),
    await getThrough(door, "http://no.example.com/4", { host: "example.com" }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 400, 403]);
  const { requests, canaries } = await lab.takeSightings();
  expect(canaries).toEqual([]);
  for (const { rawHeaders } of requests) {
    const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
    expect(names.filter((name) => name === "host")).toHaveLength(1);
    expect(rawHeaders[names.indexOf("host") * 2 + 1]).toBe("example.com");
    expect(names).not.toContain("proxy-authorization");
    expect(rawHeaders.join(" ")).not.toContain(door.credential.split(":")[1]);
  }
});

test.each([
  "http://169.254.169.254/latest/meta-data",
  "http://127.0.0.1:6379/",
  "http://no.example.com/",
  "file:///etc/passwd",
  "https://scheduler.internal:1234/",
])("a redirect to %s is handed to the client, and asking for it is refused", async (to) => {
  const { lab } = under();
  const door = await openDoor();
  const answer = await getThrough(door, `http://example.com/redirect?to=${encodeURIComponent(to)}`);
  expect(answer).toMatchObject({ status: 302, headers: { location: to } });
  expect([400, 403]).toContain((await getThrough(door, to)).status);
  const { canaries, requests } = await lab.takeSightings();
  expect({ canaries, requests: requests.length }).toEqual({ canaries: [], requests: 1 });
});

test("a proxy that is killed in the middle of a transfer comes back with its doors, secrets and counts", async () => {
  const { lab, proxy } = under();
  await proxy.setPolicy({ domains: [".example.com"], rateBitsPerSecond: 10_000_000 });
  const door = await openDoor();
  const socket = createConnection(door.socketPath);
  socket.on("error", () => undefined); // The kill may come as a reset.
  socket.write(`GET http://example.com/endless HTTP/1.1\r\nHost: example.com\r\n${credentialLine(door)}\r\n`);
  await once(socket, "data");
  socket.resume();
  await expect
    .poll(async () => (await proxy.door(door.executionId))?.use?.receivedBytes ?? 0n, { timeout: 5_000 })
    .toBeGreaterThan(1_000_000n);
  const before = (await proxy.door(door.executionId))?.use;
  // Counts are on disk twice a second; at this rate so much more takes a whole one.
  const more = (before?.receivedBytes ?? 0n) + 1_250_000n;
  await expect.poll(async () => (await proxy.door(door.executionId))?.use?.receivedBytes ?? 0n, { timeout: 20_000 }).toBeGreaterThan(more);
  const closed = once(socket, "close", { signal: AbortSignal.timeout(5_000) });
  await proxy.process.restart();
  await closed;
  const after = (await proxy.door(door.executionId))?.use;
  expect(after?.requests).toBe(1n);
  expect(after?.receivedBytes).toBeGreaterThanOrEqual(before?.receivedBytes ?? 0n);
  expect(await getThrough(door, "http://example.com/again")).toMatchObject({ status: 200 });
  expect(await getThrough(door, "http://no.example.com/")).toMatchObject({
    status: 403,
    headers: { "x-skrei-reason": "EGRESS_HOST_NOT_ON_JOB_LIST" },
  });
  expect(await getThrough({ ...door, credential: `${door.executionId}:x` }, "http://example.com/")).toMatchObject({ status: 407 });
  expect((await proxy.door(door.executionId))?.use).toMatchObject({ requests: 2n, denied: expect.any(BigInt) });
  expect((await lab.takeSightings()).canaries).toEqual([]);
});
