import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connect as connectRaw } from "@nats-io/transport-node";
import { createClient } from "@skrei/platform/client.ts";
import type { Bus } from "@skrei/platform/bus.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { EchoService } from "@skrei/proto/skrei/test/v1/echo_service_pb.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { type NatsServer, startNatsServer } from "../kit/nats-server.ts";
import { echoRoutes, newProbe } from "./echo-service.ts";
import { failure, numbers } from "./transport-suite.ts";

const SCHEDULER = { kind: "scheduler" } as const;
let nats: NatsServer;
let buses: Bus[];

beforeEach(async () => {
  nats = await startNatsServer();
  buses = [];
});
afterEach(async () => {
  await Promise.all(buses.map((bus) => bus.close()));
  await nats.stop();
});

describe("NATS bus", () => {
  test("says at once that nobody serves an address", async () => {
    const caller = await connect("caller");
    const client = createClient(EchoService, caller.transport({ kind: "node", nodeId: "n-2" }));
    expect(await failure(client.echo({}))).toMatchObject({
      kind: "unavailable",
      reason: "NO_RESPONDER",
      message: "no agent of node n-2 is listening on the bus",
    });
    expect(await failure(numbers(client.count({})))).toMatchObject({ kind: "unavailable", reason: "NO_RESPONDER" });
  });

  test("shares the calls among the servers of one address", async () => {
    const [caller, first, second] = await Promise.all([connect("caller"), connect("first"), connect("second")]);
    await first.serve(SCHEDULER, echoRoutes("first"));
    await second.serve(SCHEDULER, echoRoutes("second"));
    const client = createClient(EchoService, caller.transport(SCHEDULER));
    const answers = await Promise.all(Array.from({ length: 200 }, () => client.echo({})));
    expect(new Set(answers.map(({ server }) => server))).toEqual(new Set(["first", "second"]));
  });

  test("keeps addresses and clusters apart", async () => {
    const [caller, server, stranger] = await Promise.all([connect("caller"), connect("server"), connect("stranger", "other")]);
    await server.serve({ kind: "node", nodeId: "n-1" }, echoRoutes("n-1"));
    await stranger.serve({ kind: "node", nodeId: "n-2" }, echoRoutes("other"));
    expect((await createClient(EchoService, caller.transport({ kind: "node", nodeId: "n-1" })).echo({})).server).toBe("n-1");
    expect(await failure(createClient(EchoService, caller.transport({ kind: "node", nodeId: "n-2" })).echo({}))).toMatchObject({
      reason: "NO_RESPONDER",
    });
  });

  test.each([">", "*", "a.b", "", "a b", "ä"])("refuses %j as a node id", async (nodeId) => {
    const bus = await connect("caller");
    expect(() => bus.transport({ kind: "node", nodeId })).toThrow(expect.objectContaining({ reason: "FIELD_INVALID" }));
    await expect(bus.serve({ kind: "node", nodeId }, echoRoutes("x"))).rejects.toMatchObject({ reason: "FIELD_INVALID" });
  });

  test("refuses requests and responses over the server's limit, with both sizes", async () => {
    const bus = await connect("both");
    await bus.serve(SCHEDULER, echoRoutes("one"));
    const client = createClient(EchoService, bus.transport(SCHEDULER));
    const tooLarge = { kind: "exhausted", reason: "MESSAGE_TOO_LARGE", metadata: { limitBytes: "1048576" } };
    expect(await failure(client.echo({ payload: new Uint8Array(2 ** 21) }))).toMatchObject(tooLarge);
    expect(await failure(numbers(client.count({ messages: 1n, payloadBytes: BigInt(2 ** 20) })))).toMatchObject(tooLarge);
    // The request just fits; the response carries the header twice.
    const headers = { "x-echo": "e".repeat(200) };
    expect(await failure(client.echo({ payload: new Uint8Array(2 ** 20 - 400) }, { headers }))).toMatchObject(tooLarge);
    expect((await client.echo({ payload: new Uint8Array(2 ** 20 - 600) }, { headers })).payload).toHaveLength(2 ** 20 - 600);
  });

  test("refuses streams of requests", async () => {
    const bus = await connect("both");
    await bus.serve(SCHEDULER, echoRoutes("one"));
    const requests = async function* () {
      yield { text: "one" };
    };
    expect(await failure(createClient(EchoService, bus.transport(SCHEDULER)).collect(requests()))).toMatchObject({
      kind: "invalid",
      reason: "FEATURE_NOT_AVAILABLE",
    });
  });

  test("fails open calls when the server is killed, and works again after its restart", async () => {
    const [caller, server] = await Promise.all([connect("caller"), connect("server")]);
    await server.serve(SCHEDULER, echoRoutes("one"));
    const client = createClient(EchoService, caller.transport(SCHEDULER));
    const unary = failure(client.echo({ delayMs: 60_000n }));
    const stream = failure(numbers(client.count({ messages: 3n, staysOpen: true })));
    await client.echo({});
    await nats.kill();
    expect(await unary).toMatchObject({ kind: "unavailable", reason: "BUS_UNAVAILABLE" });
    expect(await stream).toMatchObject({ kind: "unavailable", reason: "BUS_UNAVAILABLE" });
    expect(caller.state()).toBe("reconnecting");
    expect(await failure(client.echo({}))).toMatchObject({ kind: "unavailable", reason: "BUS_UNAVAILABLE" });
    await nats.restart();
    await eventually(
      () => client.echo({ text: "back" }).then(({ text }) => text, String),
      (text) => text === "back",
      { withinMs: 20_000 },
    );
    expect(caller.state()).toBe("connected");
    expect(await numbers(client.count({ messages: 1_000n }))).toHaveLength(1_000);
  });

  test("works after the server was frozen for a while", async () => {
    const bus = await connect("both");
    const probe = newProbe();
    await bus.serve(SCHEDULER, echoRoutes("one", probe));
    const client = createClient(EchoService, bus.transport(SCHEDULER));
    await nats.pause();
    expect(await failure(client.echo({}, { timeoutMs: 300 }))).toMatchObject({ kind: "timeout" });
    nats.resume();
    expect(await client.echo({ text: "still here" })).toMatchObject({ text: "still here" });
    await eventually(
      () => probe.running,
      (running) => running === 0,
      { withinMs: 5_000 },
    );
  });

  test.each(["SIGKILL", "SIGSTOP"] as const)("ends a stream whose server got %s", async (signal) => {
    const caller = await connect("caller");
    await using server = await startProcess("server");
    const client = createClient(EchoService, caller.transport(SCHEDULER));
    const seen: bigint[] = [];
    const call = failure(
      (async () => {
        for await (const { number } of client.count({ messages: 2n, staysOpen: true })) seen.push(number);
      })(),
    );
    await eventually(
      () => seen.length,
      (length) => length === 2,
      { withinMs: 5_000 },
    );
    server.process.kill(signal);
    expect(await call).toMatchObject({ kind: "unavailable", reason: "UNREACHABLE" });
  });

  test("fails a unary call whose server was killed before its deadline", async () => {
    const caller = await connect("caller");
    await using server = await startProcess("server");
    const client = createClient(EchoService, caller.transport(SCHEDULER));
    const call = failure(client.echo({ delayMs: 60_000n }, { timeoutMs: 50_000 }));
    await client.echo({ delayMs: BigInt(BEAT_INTERVAL_MS * 3) });
    server.process.kill("SIGKILL");
    expect(await call).toMatchObject({ kind: "unavailable", reason: "UNREACHABLE" });
  });

  test.each(["SIGKILL", "SIGSTOP"] as const)("ends the handlers of a caller that got %s", async (signal) => {
    const server = await connect("server");
    const probe = newProbe();
    await server.serve(SCHEDULER, echoRoutes("one", probe));
    await using caller = await startProcess("caller");
    await eventually(
      () => probe.running,
      (running) => running === 2,
      { withinMs: 5_000 },
    );
    caller.process.kill(signal);
    await eventually(
      () => probe,
      ({ running, aborted }) => running === 0 && aborted === 2,
      { withinMs: 10_000 },
    );
  });

  test("is not moved by garbage, and answers to nobody's inbox only", async () => {
    const bus = await connect("both");
    const probe = newProbe();
    await bus.serve(SCHEDULER, echoRoutes("one", probe));
    const client = createClient(EchoService, bus.transport(SCHEDULER));
    await using stranger = await connectRaw({ servers: nats.url });
    const echo = "skrei.test.rpc.scheduler.skrei.test.v1.EchoService.Echo";
    const overheard: string[] = [];
    stranger.subscribe("elsewhere", { callback: (_, message) => void overheard.push(message.subject) });
    stranger.subscribe("_INBOX.skrei.test.stranger", { callback: (_, message) => void overheard.push(message.subject) });
    for (const data of [new Uint8Array(), new Uint8Array([255]), new Uint8Array(1_000).fill(255)]) {
      for (const reply of ["elsewhere", "_INBOX.skrei.test.stranger"]) stranger.publish(echo, data, { reply });
      stranger.publish(echo, data);
      stranger.publish(`${echo}.No.Such.Method`, data, { reply: "_INBOX.skrei.test.stranger" });
      stranger.publish("skrei.test.ctl.scheduler", data);
    }
    await eventually(
      () => overheard.length,
      (length) => length === 6,
      { withinMs: 5_000 },
    );
    expect(new Set(overheard)).toEqual(new Set(["_INBOX.skrei.test.stranger"]));
    expect(await client.echo({ text: "fine" })).toMatchObject({ text: "fine" });
  });

  test("closes though the server is frozen", async () => {
    const bus = await connect("both");
    await bus.serve(SCHEDULER, echoRoutes("one"));
    await nats.pause();
    await bus.close();
    expect(bus.state()).toBe("closed");
  });

  test("keeps a quiet stream open for longer than its lease", async () => {
    const bus = await connect("both");
    const probe = newProbe();
    await bus.serve(SCHEDULER, echoRoutes("one", probe));
    const client = createClient(EchoService, bus.transport(SCHEDULER));
    const error = await failure(numbers(client.count({ messages: 1n, staysOpen: true }, { timeoutMs: BEAT_INTERVAL_MS * 12 })));
    expect(error).toMatchObject({ kind: "timeout" });
  });

  test("refuses a wrong token and says so", async () => {
    await using guarded = await startNatsServer({ token: "right" });
    const attempt = connectNatsBus({ urls: [guarded.url], token: "wrong", cluster: "test", name: "x", logger: silentLogger });
    await expect(attempt).rejects.toMatchObject({ kind: "unauthenticated", reason: "TOKEN_INVALID" });
  });

  test("gives up connecting when the signal aborts", async () => {
    const attempt = connectNatsBus({
      urls: ["nats://127.0.0.1:1"],
      cluster: "test",
      name: "x",
      logger: silentLogger,
      signal: AbortSignal.timeout(100),
    });
    await expect(attempt).rejects.toMatchObject({ kind: "unavailable", reason: "BUS_UNAVAILABLE" });
  });

  test("fails calls on a closed bus and closes twice without harm", async () => {
    const bus = await connect("both");
    await bus.serve(SCHEDULER, echoRoutes("one"));
    const client = createClient(EchoService, bus.transport(SCHEDULER));
    await client.echo({});
    await bus.close();
    await bus.close();
    expect(bus.state()).toBe("closed");
    expect(await failure(client.echo({}))).toMatchObject({ kind: "unavailable", reason: "BUS_UNAVAILABLE" });
    await expect(bus.serve(SCHEDULER, echoRoutes("one"))).rejects.toMatchObject({ reason: "BUS_UNAVAILABLE" });
  });
});

const BEAT_INTERVAL_MS = 200;

async function connect(name: string, cluster = "test"): Promise<Bus> {
  const bus = await connectNatsBus({ urls: [nats.url], cluster, name, logger: silentLogger, beatIntervalMs: BEAT_INTERVAL_MS });
  buses.push(bus);
  return bus;
}

async function startProcess(role: "server" | "caller"): Promise<{ process: ChildProcess } & AsyncDisposable> {
  const child = spawn(process.execPath, [fileURLToPath(new URL("echo-process.ts", import.meta.url)), role, nats.url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return {
    process: child,
    [Symbol.asyncDispose]: async () => {
      const exited = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
      child.kill("SIGKILL");
      await exited;
    },
  };
}
