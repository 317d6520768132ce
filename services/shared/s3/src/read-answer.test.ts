import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { createS3Client } from "./client.ts";

test.each([false, true])("objects are asked for once each, and small ones share a connection (diverted: %s)", async (isDiverted) => {
  let requests = 0;
  let connections = 0;
  const data = randomBytes(3_000_000);
  const server = createServer((request, response) => {
    requests += 1;
    const sizeBytes = Number(request.url?.split("/").at(-1));
    response.writeHead(200, { etag: '"v1"', "content-length": sizeBytes }).end(data.subarray(0, sizeBytes));
  }).listen(0, "127.0.0.1");
  server.on("connection", () => (connections += 1));
  await once(server, "listening");
  using client = createS3Client({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connectionsMax: 1 });
  const sizes = [1, 1_000, 100_000, 1_000, 3_000_000, 1_000];
  for (const sizeBytes of sizes) {
    using download = await client.getObject(
      { bucket: "bucket", key: String(sizeBytes) },
      { isDiverted, signal: AbortSignal.timeout(10_000) },
    );
    const pieces: Buffer[] = [];
    for await (const piece of download.body) pieces.push(Buffer.from(piece));
    expect(Buffer.concat(pieces).equals(data.subarray(0, sizeBytes))).toBe(true);
  }
  expect([requests, connections]).toEqual([sizes.length, isDiverted ? 2 : 1]);
  server.closeAllConnections();
  server.close();
});
