import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { type TransportSubject, transportSuite } from "./transport-suite.ts";

transportSuite("memory bus", start, { bufferedBytesMax: 1024 * 1024 });

async function start(): Promise<TransportSubject> {
  const bus = createMemoryBus();
  return {
    transport: () => bus.transport({ kind: "scheduler" }),
    serve: (routes, interceptors) => bus.serve({ kind: "scheduler" }, routes, interceptors),
    [Symbol.asyncDispose]: () => bus.close(),
  };
}
