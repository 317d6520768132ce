import { createClient } from "@skrei/platform/client.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { EchoService } from "@skrei/proto/skrei/test/v1/echo_service_pb.ts";
import { echoRoutes } from "./echo-service.ts";

/** A process of its own at one end of the bus, so that a test can kill it: `echo-process.ts server|caller URL`. */
const [role, url = ""] = process.argv.slice(2);
const bus = await connectNatsBus({ urls: [url], cluster: "test", name: `process ${role}`, logger: silentLogger, beatIntervalMs: 200 });
if (role === "server") await bus.serve({ kind: "scheduler" }, echoRoutes("process"));
else call();
process.stdout.write("ready\n");
setInterval(() => undefined, 60_000);

function call(): void {
  const client = createClient(EchoService, bus.transport({ kind: "scheduler" }));
  const stream = async (): Promise<void> => {
    for await (const _ of client.count({ messages: 2n, staysOpen: true }));
  };
  void Promise.allSettled([client.echo({ delayMs: 60_000n }), stream()]);
}
