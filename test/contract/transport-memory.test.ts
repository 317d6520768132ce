import { createClient } from "@skrei/platform/client.ts";
import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { EchoService } from "@skrei/proto/skrei/test/v1/echo_service_pb.ts";
import { expect, test } from "vitest";
import { echoRoutes } from "./echo-service.ts";
import { failure, type TransportSubject, transportSuite } from "./transport-suite.ts";

transportSuite("memory bus", start, { bufferedBytesMax: 1024 * 1024 });

async function start(): Promise<TransportSubject> {
  const bus = createMemoryBus();
  return {
    transport: () => bus.transport({ kind: "scheduler" }),
    serve: (routes, interceptors) => bus.serve({ kind: "scheduler" }, routes, interceptors),
    [Symbol.asyncDispose]: () => bus.close(),
  };
}

test("memory bus: says that nobody serves an address", async () => {
  const client = createClient(EchoService, createMemoryBus().transport({ kind: "node", nodeId: "n-1" }));
  expect(await failure(client.echo({}))).toMatchObject({
    kind: "unavailable",
    reason: "NO_RESPONDER",
    message: "no agent of node n-1 is listening on the bus",
  });
});

test("memory bus: shares the calls among the servers of one address", async () => {
  const bus = createMemoryBus();
  await bus.serve({ kind: "scheduler" }, echoRoutes("first"));
  await bus.serve({ kind: "scheduler" }, echoRoutes("second"));
  const client = createClient(EchoService, bus.transport({ kind: "scheduler" }));
  const answers = [await client.echo({}), await client.echo({}), await client.echo({}), await client.echo({})];
  expect(answers.map(({ server }) => server)).toEqual(["first", "second", "first", "second"]);
});

test("memory bus: what a handler keeps is not the caller's message", async () => {
  const bus = createMemoryBus();
  const kept: Uint8Array[] = [];
  await bus.serve({ kind: "scheduler" }, (router) => {
    router.service(EchoService, {
      echo: ({ payload }) => {
        kept.push(payload);
        return { payload };
      },
    });
  });
  const payload = new Uint8Array([1]);
  const answer = await createClient(EchoService, bus.transport({ kind: "scheduler" })).echo({ payload });
  payload[0] = 2;
  answer.payload[0] = 3;
  expect([...(kept[0] ?? [])]).toEqual([1]);
});
