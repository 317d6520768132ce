import { connect } from "@nats-io/transport-node";
import { createClient } from "@skrei/platform/client.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { EchoService } from "@skrei/proto/skrei/test/v1/echo_service_pb.ts";
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { startNatsServer } from "../../test/kit/nats-server.ts";

/**
 * What a call costs on each wire, against a bare NATS request. Caller and server share this process, so CPU is of both ends
 * together; the NATS server's own is left out. Run: `node bench/src/transport.ts`.
 */
const PAYLOAD = new Uint8Array(256);
const ADDRESS = { kind: "scheduler" } as const;
const CALLS = Number(process.argv[2] ?? 20_000);
const ROUNDS = 3;

await using stack = new AsyncDisposableStack();
const nats = stack.use(await startNatsServer());
const options = { urls: [nats.url], cluster: "bench", logger: silentLogger };

const routes = (router: ConnectRouter): void => {
  router.service(EchoService, {
    echo: ({ text, payload }) => ({ text, payload }),
    count: async function* ({ messages, payloadBytes }) {
      const payload = new Uint8Array(Number(payloadBytes));
      for (let number = 1n; number <= messages; number++) yield { number, payload };
    },
  });
};

const [serverBus, callerBus] = await Promise.all([
  connectNatsBus({ ...options, name: "server" }),
  connectNatsBus({ ...options, name: "caller" }),
]);
stack.defer(() => Promise.all([serverBus.close(), callerBus.close()]).then(() => undefined));
await serverBus.serve(ADDRESS, routes);
const memory = createMemoryBus();
await memory.serve(ADDRESS, routes);
const http = await startHttpServer({ host: "127.0.0.1", port: 0, routes, logger: silentLogger });
stack.defer(() => http.close());

const [rawServer, rawCaller] = await Promise.all([connect({ servers: nats.url }), connect({ servers: nats.url })]);
stack.defer(() => Promise.all([rawServer.close(), rawCaller.close()]).then(() => undefined));
rawServer.subscribe("raw", { callback: (_, message) => void message.respond(message.data) });
await rawServer.flush();

const wires: readonly (readonly [string, () => Promise<unknown>, number])[] = [
  ["floor: raw NATS request", () => rawCaller.request("raw", PAYLOAD, { timeout: 5_000 }), CALLS],
  ["NATS bus", unary(callerBus.transport(ADDRESS)), CALLS],
  ["memory bus", unary(memory.transport(ADDRESS)), CALLS],
  ["HTTP/1.1", unary(createHttpTransport({ url: http.url })), CALLS / 4],
  ["HTTP/2", unary(createHttpTransport({ url: http.url, httpVersion: "2" })), CALLS / 4],
];
console.log("wire                      p50 serial   64 in flight   CPU per call (both ends)");
for (const [name, call, calls] of wires) {
  await inFlight(call, calls / 4, 64);
  const p50Us = await serialP50Us(call, Math.min(2_000, calls));
  const rounds: { perSecond: number; cpuUs: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await inFlight(call, calls, 64));
  const { perSecond, cpuUs } = rounds.sort((a, b) => a.cpuUs - b.cpuUs)[Math.floor(ROUNDS / 2)] ?? { perSecond: 0, cpuUs: 0 };
  console.log(
    `${name.padEnd(24)} ${p50Us.toFixed(0).padStart(8)} µs ${perSecond.toFixed(0).padStart(10)} /s ${cpuUs.toFixed(1).padStart(12)} µs`,
  );
}
console.log("stream of 100,000 messages of 256 bytes");
for (const [name, transport] of [
  ["NATS bus", callerBus.transport(ADDRESS)],
  ["memory bus", memory.transport(ADDRESS)],
  ["HTTP/1.1", createHttpTransport({ url: http.url })],
] as const) {
  const { perSecond, cpuUs } = await stream(transport, 100_000);
  console.log(`${name.padEnd(24)} ${perSecond.toFixed(0).padStart(23)} /s ${cpuUs.toFixed(1).padStart(12)} µs`);
}

function unary(transport: Transport): () => Promise<unknown> {
  const client = createClient(EchoService, transport);
  return () => client.echo({ text: "bench", payload: PAYLOAD });
}

async function serialP50Us(call: () => Promise<unknown>, calls: number): Promise<number> {
  const durations: number[] = [];
  for (let i = 0; i < calls; i++) {
    const startMs = performance.now();
    await call();
    durations.push(performance.now() - startMs);
  }
  return (durations.sort((a, b) => a - b)[Math.floor(calls / 2)] ?? 0) * 1_000;
}

async function inFlight(call: () => Promise<unknown>, calls: number, width: number): Promise<{ perSecond: number; cpuUs: number }> {
  let left = calls;
  return await measured(calls, () =>
    Promise.all(
      Array.from({ length: width }, async () => {
        while (left-- > 0) await call();
      }),
    ),
  );
}

async function stream(transport: Transport, messages: number): Promise<{ perSecond: number; cpuUs: number }> {
  const client = createClient(EchoService, transport);
  return await measured(messages, async () => {
    for await (const _ of client.count({ messages: BigInt(messages), payloadBytes: 256n }));
  });
}

async function measured(units: number, work: () => Promise<unknown>): Promise<{ perSecond: number; cpuUs: number }> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (units / (performance.now() - startMs)) * 1_000, cpuUs: (user + system) / units };
}
