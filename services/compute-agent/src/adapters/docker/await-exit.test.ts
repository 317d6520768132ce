import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Docker from "dockerode";
import { expect, onTestFinished, test } from "vitest";
import { awaitExit } from "./await-exit.ts";

test("an engine that goes away after the head of its answer ends the wait", { timeout: 10_000 }, async () => {
  const engine = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    setImmediate(() => response.destroy());
  });
  onTestFinished(() => void engine.close());
  await once(engine.listen(0, "127.0.0.1"), "listening");
  const docker = new Docker({ protocol: "http", host: "127.0.0.1", port: (engine.address() as AddressInfo).port });
  await expect(awaitExit(docker, "c", AbortSignal.timeout(5_000))).rejects.toMatchObject({ kind: "unavailable", reason: "ENGINE_FAILED" });
});
