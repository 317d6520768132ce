import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type CountingOrigin, type OriginOptions, startCountingOrigin } from "../../../../../test/kit/counting-origin.ts";
import { type EgressLab, getRequest, type LabDoor, readFrom, sendRaw, startEgressLab } from "../../../../../test/kit/egress-lab.ts";
import { eventually } from "../../../../../test/kit/eventually.ts";

let kept = new AsyncDisposableStack();
afterEach(async () => {
  await kept.disposeAsync();
  kept = new AsyncDisposableStack();
});

interface Place {
  readonly lab: EgressLab;
  readonly door: LabDoor;
  readonly origin: CountingOrigin;
  readonly url: string;
}

async function place(
  settings: Readonly<Record<string, unknown>> = {},
  options: OriginOptions & { readonly quota?: number } = {},
): Promise<Place> {
  const origin = kept.use(await startCountingOrigin(options));
  const lab = kept.use(await startEgressLab({ ports: [origin.port], ...settings }));
  lab.names.set("a.test", ["127.0.0.1"]);
  const door = await lab.open(["a.test"], { egressBytesMax: options.quota ?? 0 });
  return { lab, door, origin, url: `http://a.test:${origin.port}/` };
}

function post(door: LabDoor, url: string, bytes: number): string {
  return getRequest(door, url, ["Connection: close", `Content-Length: ${bytes}`]).replace("GET", "POST");
}

async function listed({
  lab,
  door,
}: Place): Promise<{ connections: number; requests: bigint; denied: bigint; sentBytes: bigint; receivedBytes: bigint }> {
  const { doors } = await lab.client.listDoors({});
  const found = doors.find(({ executionId }) => executionId === door.executionId);
  const { requests = 0n, denied = 0n, sentBytes = 0n, receivedBytes = 0n } = found?.use ?? {};
  return { connections: found?.connections ?? 0, requests, denied, sentBytes, receivedBytes };
}

test("hangs up on a head that does not come in time, with a word if it had begun", async () => {
  const { door } = await place({ headerTimeoutMs: 150 });
  const [begun, silent] = await Promise.all([sendRaw(door, "GET http://a.test/ HTTP/1.1\r\nX: "), sendRaw(door, "")]);
  expect(begun).toMatch(/^HTTP\/1\.1 400 [\s\S]*did not come within 150 ms/u);
  expect(silent).toBe("");
});

test("answers 504 when the origin stays silent, and ends both sides", async () => {
  const here = await place({ idleTimeoutMs: 150 }, { onBytes: () => undefined });
  const answer = await sendRaw(here.door, getRequest(here.door, here.url));
  expect(answer).toMatch(/^HTTP\/1\.1 504 [\s\S]*EGRESS_ORIGIN_TIMEOUT/u);
  await eventually(
    () => here.origin.connections(),
    (open) => open === 0,
    { withinMs: 2_000 },
  );
  expect(await listed(here)).toMatchObject({ requests: 1n, denied: 0n });
});

test("ends what lasts for too long, though it moves", async () => {
  const drip = (socket: Socket): void => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    const timer = setInterval(() => socket.write("."), 20);
    socket.once("close", () => clearInterval(timer));
  };
  const here = await place({ totalTimeoutMs: 200 }, { onBytes: drip });
  expect(await sendRaw(here.door, getRequest(here.door, here.url))).toMatch(/^HTTP\/1\.1 200 /u);
  await eventually(
    () => here.origin.connections(),
    (open) => open === 0,
    { withinMs: 2_000 },
  );
});

test("never lets half an answer look whole", async () => {
  const { door, url } = await place({}, { onBytes: (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") });
  const answer = await sendRaw(door, getRequest(door, url));
  expect(answer).toMatch(/Content-Length: 10\r\n[\s\S]*half$/u);
});

test.each([
  ["resets", (socket: Socket) => socket.resetAndDestroy()],
  ["hangs up", (socket: Socket) => socket.destroy()],
  ["answers nonsense", (socket: Socket) => socket.end("nonsense\r\n\r\n")],
  ["switches protocols", (socket: Socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")],
  ["answers with two lengths", (socket: Socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")],
])("answers 502 when the origin %s", async (_name, onBytes) => {
  const { door, url } = await place({}, { onBytes });
  expect(await sendRaw(door, getRequest(door, url))).toMatch(/^HTTP\/1\.1 502 [\s\S]*EGRESS_ORIGIN_UNREACHABLE/u);
});

test("tries again when a kept connection had ended, and only then", async () => {
  let answers = 0;
  const here = await place(
    {},
    {
      onBytes: (socket) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        if (++answers === 1) setImmediate(() => socket.resetAndDestroy());
      },
    },
  );
  for (let count = 0; count < 2; count++) expect(await sendRaw(here.door, getRequest(here.door, here.url))).toMatch(/^HTTP\/1\.1 200 /u);
  expect(here.origin.text().match(/GET/gu)).toHaveLength(2);
});

test("keeps connections to origins for the same door only", async () => {
  const here = await place();
  const other = await here.lab.open(["a.test"]);
  for (const door of [here.door, here.door, other]) expect(await sendRaw(door, getRequest(door, here.url))).toMatch(/^HTTP\/1\.1 200 /u);
  expect(here.origin.received).toHaveLength(2);
});

test("cuts at the quota of the job, says so from then on, and counts it", async () => {
  const here = await place({}, { quota: 1_000 });
  const { door, url, origin } = here;
  const cut = await sendRaw(door, post(door, url, 5_000) + "x".repeat(5_000));
  expect(cut).toMatch(/^HTTP\/1\.1 403 [\s\S]*EGRESS_QUOTA_EXCEEDED/u);
  expect(origin.text().length).toBeLessThanOrEqual(1_000);
  const answers = [];
  for (let count = 0; count < 20; count++) answers.push((await sendRaw(door, getRequest(door, url))).slice(9, 12));
  expect(answers).toContain("200");
  expect(answers.at(-1)).toBe("403");
  expect((await listed(here)).sentBytes).toBeLessThanOrEqual(1_000n);
  expect(origin.text().length).toBeLessThanOrEqual(1_000);
  expect((await listed(here)).denied).toBe(1n + BigInt(answers.filter((status) => status === "403").length));
});

test("refuses more connections than a door may have, and serves others again when they end", async () => {
  const here = await place({ connectionsMax: 4, headerTimeoutMs: 20_000 });
  const idle = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const socket = connect(here.door.socketPath);
      await new Promise((resolve) => void socket.once("connect", resolve));
      return socket;
    }),
  );
  await eventually(
    async () => (await listed(here)).connections,
    (count) => count === 4,
    { withinMs: 2_000 },
  );
  expect(await sendRaw(here.door, getRequest(here.door, here.url))).toMatch(/^HTTP\/1\.1 503 [\s\S]*EGRESS_CONNECTIONS_EXHAUSTED/u);
  for (const socket of idle) socket.destroy();
  await eventually(
    async () => (await listed(here)).connections,
    (count) => count === 0,
    { withinMs: 2_000 },
  );
  expect(await sendRaw(here.door, getRequest(here.door, here.url))).toMatch(/^HTTP\/1\.1 200 /u);
});

test("answers every one of 1,000 connections at once, and another door meanwhile", async () => {
  const here = await place();
  const other = await here.lab.open(["a.test"]);
  const crowd = Array.from({ length: 1_000 }, () => sendRaw(here.door, getRequest(here.door, here.url)));
  expect(await sendRaw(other, getRequest(other, here.url))).toMatch(/^HTTP\/1\.1 200 /u);
  const statuses = (await Promise.all(crowd)).map((answer) => answer.slice(9, 12));
  expect(statuses.filter((status) => status !== "200" && status !== "503")).toEqual([]);
  expect(statuses.filter((status) => status === "200").length).toBeGreaterThanOrEqual(256);
  await eventually(
    async () => (await listed(here)).connections,
    (count) => count === 0,
    { withinMs: 5_000 },
  );
});

test("keeps little in memory for a task that does not read", async () => {
  let written = 0;
  const flood = (socket: Socket): void => {
    const chunk = Buffer.alloc(65_536);
    const fill = (): void => {
      for (let isMore = true; isMore && !socket.destroyed; written += chunk.length) isMore = socket.write(chunk);
    };
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.on("drain", fill);
    fill();
  };
  const here = await place({}, { onBytes: flood });
  const socket = connect(here.door.socketPath);
  socket.write(getRequest(here.door, here.url));
  socket.pause();
  let before = -1n;
  const received = await eventually(
    async () => (await listed(here)).receivedBytes,
    (now) => {
      const isStill = now > 0n && now === before;
      before = now;
      return isStill;
    },
    { withinMs: 5_000, everyMs: 200 },
  );
  // What the kernel's socket buffers take is not ours.
  expect(Number(received)).toBeLessThan(1_000_000);
  expect(written).toBeGreaterThan(Number(received));
  socket.destroy();
  await eventually(
    () => here.origin.connections(),
    (open) => open === 0,
    { withinMs: 2_000 },
  );
});

test("leaves nothing open when the task goes, whatever it was doing", async () => {
  const here = await place({}, { onBytes: (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome") });
  const { door, url } = here;
  const sent = ["GET ", getRequest(door, url), post(door, url, 50), `${post(door, url, 50)}xxx`];
  for (const text of sent) {
    const socket = connect(door.socketPath);
    socket.write(text);
    if (text !== "GET ") await readFrom(socket, (answer) => answer.endsWith("some"));
    socket.destroy();
  }
  await eventually(
    () => here.origin.connections(),
    (open) => open === 0,
    { withinMs: 2_000 },
  );
  await eventually(
    async () => (await listed(here)).connections,
    (count) => count === 0,
    { withinMs: 2_000 },
  );
});

test("holds one rate for all connections of a door", async () => {
  const here = await place(
    { rateBitsPerSecond: 8_000_000 },
    {
      onBytes: (socket) =>
        void socket.end(Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 250000\r\n\r\n"), Buffer.alloc(250_000)])),
    },
  );
  const startedMs = performance.now();
  const answers = await Promise.all(Array.from({ length: 4 }, () => sendRaw(here.door, getRequest(here.door, here.url))));
  expect(answers.map((answer) => answer.split("\r\n\r\n")[1]?.length)).toEqual([250_000, 250_000, 250_000, 250_000]);
  // 1 MB at 1 MB/s, but for the burst at the beginning. Slower than that is the machine's business.
  expect(performance.now() - startedMs).toBeGreaterThan(900);
});

test("holds no socket and no timer when all is done", async () => {
  const here = await place({ rateBitsPerSecond: 50_000_000 });
  const { door, url, lab, origin } = here;
  const held = (): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
    return { sockets: (counts["PipeWrap"] ?? 0) + (counts["TCPSocketWrap"] ?? 0), timers: counts["Timeout"] ?? 0 };
  };
  const before = held();
  const forbidden = getRequest(door, `http://b.test:${origin.port}/`);
  const tunnel = `CONNECT a.test:${origin.port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${door.authorization}\r\n\r\nnot TLS`;
  const malformed = "GET / HTTP/1.1\r\n\r\n";
  const mixed = [getRequest(door, url), forbidden, tunnel, malformed, post(door, url, 3) + "abc"];
  await Promise.all(
    Array.from({ length: 20 }, () => mixed)
      .flat()
      .map((text) => sendRaw(door, text)),
  );
  lab.proxy.reloadPolicy();
  await lab.client.closeDoor({ executionId: door.executionId });
  await eventually(held, ({ sockets = 0, timers = 0 }) => sockets <= (before["sockets"] ?? 0) && timers <= (before["timers"] ?? 0), {
    withinMs: 5_000,
  });
  expect(origin.connections()).toBe(0);
});

test("heads pay for their way like bodies do", async () => {
  const here = await place({ rateBitsPerSecond: 1_000_000 });
  const { door, url } = here;
  const large = getRequest(door, url, ["Connection: close", `X: ${"a".repeat(12_000)}`]);
  const startedMs = performance.now();
  const answers = await Promise.all(Array.from({ length: 20 }, () => sendRaw(door, large)));
  expect(answers.every((answer) => answer.startsWith("HTTP/1.1 200 "))).toBe(true);
  // 240 kB at 125 kB/s, but for the burst at the beginning.
  expect(performance.now() - startedMs).toBeGreaterThan(1_200);
});

test("refusals beyond a long list of mistakes wait their turn, and another door does not wait for them", async () => {
  const here = await place();
  const other = await here.lab.open(["a.test"]);
  const forbidden = getRequest(here.door, "http://b.test/", []);
  const crowd = Array.from({ length: 50 }, () => sendRaw(here.door, forbidden.repeat(49) + getRequest(here.door, "http://b.test/")));
  const startedMs = performance.now();
  expect(await sendRaw(other, getRequest(other, here.url))).toMatch(/^HTTP\/1\.1 200 /u);
  const answers = (await Promise.all(crowd)).flatMap((text) => text.match(/^HTTP\/1\.1 \d+/gmu) ?? []);
  expect(answers).toEqual(Array.from({ length: 2_500 }, () => "HTTP/1.1 403"));
  // 2,000 at once and 500 at 100 a second. Slower than that is the machine's business.
  expect(performance.now() - startedMs).toBeGreaterThan(4_000);
});

test("names that are never answered for keep one door from asking for more, and no other door", async () => {
  const { lab, url, door: other, origin } = await place();
  const answered = Promise.withResolvers<readonly string[]>();
  const names = Array.from({ length: 200 }, (_, index) => `n${index}.slow.test`);
  for (const name of names) lab.names.set(name, answered.promise);
  const door = await lab.open([".slow.test"]);
  const unanswered = new Set(names);
  const asking = names.map(async (name) => {
    const answer = await sendRaw(door, getRequest(door, `http://${name}:${origin.port}/`));
    unanswered.delete(name);
    return answer;
  });
  await eventually(
    () => unanswered.size,
    (count) => count <= 128,
    { withinMs: 5_000 },
  );
  expect(await sendRaw(other, getRequest(other, url))).toMatch(/^HTTP\/1\.1 200 /u);
  expect(unanswered.size).toBe(128);
  answered.resolve(["127.0.0.1"]);
  const statuses = (await Promise.all(asking)).map((answer) => answer.slice(9, 12));
  expect([statuses.filter((status) => status === "502").length, statuses.filter((status) => status === "200").length]).toEqual([72, 128]);
});

test("ends a connection that sends much ahead of its answers", async () => {
  const { door, url, origin } = await place({ idleTimeoutMs: 3_000 }, { onBytes: () => undefined });
  const large = getRequest(door, url, "a: b\r\n".repeat(2_000).trimEnd().split("\r\n"));
  expect(await sendRaw(door, large.repeat(10))).toBe("");
  expect(origin.text().match(/GET/gu)?.length ?? 0).toBeLessThan(2);
});

test("chunks of a byte go on in large ones, both ways, with nothing lost and their framing booked", async () => {
  const tiny = `${Array.from({ length: 20_000 }, (_, index) => `1\r\n${index % 10}\r\n`).join("")}0\r\n\r\n`;
  const here = await place(
    { rateBitsPerSecond: 1_000_000 },
    {
      onBytes: (socket, all) =>
        void (all.includes("\r\n0\r\n\r\n") && socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${tiny}`)),
    },
  );
  const head = getRequest(here.door, here.url, ["Connection: close", "Transfer-Encoding: chunked"]).replace("GET", "POST");
  const startedMs = performance.now();
  const answer = await sendRaw(here.door, head + tiny);
  for (const text of [here.origin.text(), answer]) {
    const pieces = piecesOf(text.slice(text.indexOf("\r\n\r\n") + 4));
    expect(pieces.length).toBeLessThan(1_000);
    expect(pieces.join("")).toBe("0123456789".repeat(2_000));
  }
  // 120 kB each way at 125 kB/s, but for the bursts at the beginning.
  expect(performance.now() - startedMs).toBeGreaterThan(500);
});

function piecesOf(chunked: string): string[] {
  const pieces: string[] = [];
  for (let rest = chunked; rest !== "";) {
    const start = rest.indexOf("\r\n") + 2;
    const end = start + Number.parseInt(rest, 16);
    if (end > start) pieces.push(rest.slice(start, end));
    rest = rest.slice(end + 2);
  }
  return pieces;
}
