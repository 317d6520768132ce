import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { afterAll, beforeAll } from "vitest";
import { type NatsServer, startNatsServer } from "../kit/nats-server.ts";
import { type TransportSubject, transportSuite } from "./transport-suite.ts";

let nats: NatsServer;
let clusters = 0;
beforeAll(async () => {
  nats = await startNatsServer({ token: "secret" });
});
afterAll(() => nats.stop());

transportSuite("NATS bus", start, { bufferedBytesMax: 2 * 1024 * 1024 });

async function start(): Promise<TransportSubject> {
  const connect = (name: string) =>
    connectNatsBus({ urls: [nats.url], token: "secret", cluster: `test-${clusters}`, name, logger: silentLogger });
  clusters++;
  const [caller, server] = await Promise.all([connect("caller"), connect("server")]);
  return {
    transport: () => caller.transport({ kind: "node", nodeId: "n-1" }),
    serve: (routes, interceptors) => server.serve({ kind: "node", nodeId: "n-1" }, routes, interceptors),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([caller.close(), server.close()]);
    },
  };
}
