import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import type { Interceptor } from "@connectrpc/connect";
import type { Execution, ExecutionId, Network } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { systemClock } from "@skrei/platform/clock.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { WatchNetworkUseResponse } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { expect, test } from "vitest";
import { aJob } from "../../../../test/contract/state-store-records.ts";
import { eventually } from "../../../../test/kit/eventually.ts";
import { aNode, anExecution, aUse } from "../../../../test/kit/scheduler-records.ts";
import { NetworkedExecutions } from "../loops/networked-executions.ts";
import { Broadcast } from "../loops/notifier.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { createNetworkService } from "./network-service.ts";
import { WatchPlaces } from "./watch-places.ts";

const HTTP: Network = { mode: "http", domains: ["a.example"], egressBytesMax: 0 };
const LONG = "x".repeat(400);

/** 12 executions whose messages are larger than what HTTP/2 sends ahead, served over a real port. */
async function startBusy() {
  await using stack = new AsyncDisposableStack();
  const job = aJob();
  const networked = new NetworkedExecutions(
    new Map([[job.id, { job: { ...job, spec: { ...job.spec, task: { ...job.spec.task, network: HTTP } } } }]]),
  );
  const changed = new Broadcast();
  const commands = {
    networkedExecutions: () => networked.all(),
    waitForNetworkUse: (signal: AbortSignal) => changed.next(signal),
    nodes: () => [{ node: aNode() }],
  };
  const deps = { commands, store: { listNodes: () => Promise.resolve([aNode()]) }, clock: systemClock } as unknown as SchedulerApiDeps;
  const told = new Map<string, number[]>();
  const server = await startHttpServer({
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    routes: (router) => router.service(NetworkService, createNetworkService(deps)),
    interceptors: [counting(told)],
  });
  stack.defer(() => server.close());
  const client = createClient(NetworkService, createHttpTransport({ url: server.url, httpVersion: "2" }));
  const kept = stack.move();
  return {
    server,
    /** Requests of the first execution, in each message that was made for the reader of this name. */
    toldTo: (name: string) => told.get(name) ?? [],
    watch: (name: string) => client.watchNetworkUse({}, { headers: { "x-reader": name } })[Symbol.asyncIterator](),
    count: (requests: number) => {
      const use = aUse(...Array.from({ length: 64 }, (_, host) => ({ host: `${host}.${LONG}`, requests })));
      const executions = Array.from({ length: 12 }, (_, i): Execution => ({
        ...anExecution({ id: `e-${i}` as ExecutionId, jobId: job.id, state: "running" }),
        networkUse: use,
      }));
      if (networked.take(executions)) changed.notify();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function counting(told: Map<string, number[]>): Interceptor {
  return (next) => async (request) => {
    const answer = await next(request);
    if (!answer.stream) return answer;
    const list: number[] = [];
    told.set(request.header.get("x-reader") ?? "", list);
    const { message } = answer;
    const counted = async function* (): AsyncGenerator<never> {
      for await (const one of message) {
        const { executions } = one as unknown as WatchNetworkUseResponse;
        list.push(...executions.slice(0, 1).map(({ use }) => Number(use?.requests ?? 0n) / 64));
        yield one as never;
      }
    };
    return { ...answer, message: counted() };
  };
}

/** Opens a watch and takes nothing of it. */
function openUnread(session: ClientHttp2Session, name: string): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": "/skrei.network.v1.NetworkService/WatchNetworkUse",
    "content-type": "application/connect+json",
    "x-reader": name,
  });
  stream.on("error", () => undefined);
  stream.end(Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]));
  return stream;
}

test("for a reader that does not read one message is made, and the newest when it reads again", async () => {
  await using busy = await startBusy();
  busy.count(1);
  const session = connect(busy.server.url, { settings: { initialWindowSize: 0 } });
  session.on("error", () => undefined);
  const unread = openUnread(session, "unread");
  await eventually(
    () => busy.toldTo("unread"),
    ({ length }) => length > 0,
    { withinMs: 5_000 },
  );
  const reading = busy.watch("reading");
  for (let requests = 2; requests <= 6; requests++) {
    busy.count(requests);
    // Both were woken; who reads has it.
    while (busy.toldTo("reading").at(-1) !== requests) await reading.next();
  }
  expect(busy.toldTo("unread")).toEqual([1]);
  session.settings({ initialWindowSize: 2 ** 20 });
  unread.resume();
  await eventually(
    () => busy.toldTo("unread"),
    ({ length }) => length > 1,
    { withinMs: 5_000 },
  );
  expect(busy.toldTo("unread")).toEqual([1, 6]);
  unread.close();
  session.close();
  await reading.return?.();
});

test("as many watch as there are places; the next one is refused until one leaves, also one that never read", async () => {
  await using busy = await startBusy();
  busy.count(1);
  const session = connect(busy.server.url, { settings: { initialWindowSize: 0 } });
  session.on("error", () => undefined);
  const names = Array.from({ length: 64 }, (_, i) => `unread-${i}`);
  const unread = names.map((name) => openUnread(session, name));
  await eventually(
    () => names.every((name) => busy.toldTo(name).length > 0),
    (areAllOpen) => areAllOpen,
    { withinMs: 10_000 },
  );
  await expect(busy.watch("late").next()).rejects.toMatchObject({ kind: "exhausted", reason: "WATCHES_EXHAUSTED" });
  unread[0]?.close();
  const watch = await eventually(
    async () => {
      const late = busy.watch("late");
      return (await late.next().catch(() => undefined)) === undefined ? undefined : late;
    },
    (late) => late !== undefined,
    { withinMs: 5_000 },
  );
  await watch?.return?.();
  session.settings({ initialWindowSize: 2 ** 20 });
  for (const stream of unread) stream.resume();
});

test("a place is given back once, whether the reader left first or the watch ended", () => {
  const places = new WatchPlaces("WatchNodes", 1);
  const left = new AbortController();
  const first = places.take(left.signal);
  expect(() => places.take(left.signal)).toThrow("1 of 1 watches by WatchNodes are open");
  left.abort();
  using _second = places.take(new AbortController().signal);
  first[Symbol.dispose]();
  expect(() => places.take(new AbortController().signal)).toThrow("1 of 1");
});
