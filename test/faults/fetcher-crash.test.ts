import { hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { startServiceProcess } from "../kit/service-process.ts";

test("kill -9 during a download leaves no bad entry", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "skrei-crash-"));
  const body = randomBytes(8 * 1_048_576);
  let isHalf = true;
  const origin = createServer((_, response) => {
    response.writeHead(200, { "content-length": body.length, etag: '"one"' });
    if (isHalf) response.write(body.subarray(0, body.length / 2));
    else response.end(body);
  }).listen(0, "127.0.0.1");
  await once(origin, "listening");
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/file`;
  const cache = join(folder, "cache");
  try {
    for (const sha256 of ["", hash("sha256", body)]) {
      isHalf = true;
      await using doomed = await startFetcher(folder);
      const fetching = fetch(doomed.url, { url, sha256 }).catch(() => "killed");
      await eventually(
        () => halfBytes(join(cache, "scratch")),
        (bytes) => bytes > 1_048_576,
        { withinMs: 10_000 },
      );
      await doomed.kill();
      expect(await fetching).toBe("killed");
      isHalf = false;
      await using back = await startFetcher(folder);
      expect(readdirSync(join(cache, "scratch"))).toEqual([]);
      expect(readFileSync(await fetch(back.url, { url, sha256 })).equals(body)).toBe(true);
      expect(readdirSync(join(cache, "entries")).length).toBe(1);
      await back.kill();
      rmSync(cache, { recursive: true, force: true });
    }
  } finally {
    origin.closeAllConnections();
    origin.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

async function startFetcher(folder: string): ReturnType<typeof startServiceProcess> {
  return await startServiceProcess("storage-fetcher", { "data-folder": folder, "allowed-private-cidrs": "127.0.0.1/32" });
}

async function fetch(service: string, source: { readonly url: string; readonly sha256: string }): Promise<string> {
  const client = createClient(FetchService, createHttpTransport({ url: service }));
  const input = { target: "/inputs", source: { case: "http" as const, value: source } };
  for await (const { event } of client.fetchInput({ leaseId: "e-1", input, bytesMax: 100_000_000n }))
    if (event.case === "ready") return event.value.path;
  return "ended without a path";
}

function halfBytes(scratch: string): number {
  const sizes = readdirSync(scratch).map((name) => statSync(join(scratch, name), { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}
