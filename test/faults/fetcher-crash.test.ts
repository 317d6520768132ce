import { createHash, hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@skrei/platform/client.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { FetchService, type FetchInputResponse_Ready } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag } from "@skrei/unixfs/file-dag.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { type ServiceProcess, startServiceProcess } from "../kit/service-process.ts";

const MIB = 1_048_576;
/** SKREI_TEST_LARGE=1 makes it a gibibyte. */
const BODY_MIB = process.env["SKREI_TEST_LARGE"] === undefined ? 48 : 1_024;
const KILLS = 20;
const TIMEOUT_MS = BODY_MIB * 10_000;
let folder: string;
let stack: AsyncDisposableStack;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skrei-crash-"));
  stack = new AsyncDisposableStack();
});

afterEach(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

test.each(["", "declared"])(
  `kill -9 during a download, ${KILLS} times in a row, costs time only (digest: %j)`,
  async (declared) => {
    const origin = await startOrigin();
    const sha256 = declared === "" ? "" : origin.sha256;
    const source = { case: "http" as const, value: { url: origin.url, sha256 } };
    const fetcher = await startFetcher();
    for (let kill = 1; kill <= KILLS; kill++) {
      // The origin stands still at this byte, so that the process dies in the middle, ever further on.
      origin.stopAt = Math.floor((BODY_MIB * MIB * kill) / (KILLS + 1));
      await killDuring(fetcher, source, origin);
      expect(leftIn("scratch")).toEqual([]);
      expect(leftIn("partial").length).toBeLessThanOrEqual(1);
      expect(leftIn("entries")).toEqual([]);
    }
    origin.stopAt = Infinity;
    const { path, digest, sizeBytes } = await fetch(fetcher.url, source);
    expect(digest).toBe(`sha256:${origin.sha256}`);
    expect(sizeBytes).toBe(BigInt(BODY_MIB * MIB));
    expect(await sha256Of(path)).toBe(origin.sha256);
    expect({ scratch: leftIn("scratch"), partial: leftIn("partial"), entries: leftIn("entries").length }).toEqual({
      scratch: [],
      partial: [],
      entries: 1,
    });
    expect(origin.starts.filter((start) => start > 0).length).toBeGreaterThan(KILLS / 2);
    // No more was sent again than is kept at a time, for each kill.
    expect(origin.sentBytes).toBeLessThan(BODY_MIB * MIB + KILLS * 24 * MIB);
  },
  TIMEOUT_MS,
);

test(
  `kill -9 during an export of content, ${KILLS} times in a row, leaves nothing half`,
  async () => {
    const store = await startStore();
    const source = { case: "content" as const, value: { cid: store.cid, path: "" } };
    const fetcher = await startFetcher({ "publisher-url": store.url });
    for (let kill = 1; kill <= KILLS; kill++) {
      store.stopAt = Math.floor((BODY_MIB * kill) / (KILLS + 1));
      await killDuring(fetcher, source, store);
      expect([...leftIn("scratch"), ...leftIn("partial"), ...leftIn("entries")]).toEqual([]);
    }
    store.stopAt = Infinity;
    const { path } = await fetch(fetcher.url, source);
    expect(await sha256Of(path)).toBe(store.sha256);
    expect([leftIn("scratch").length, leftIn("entries").length]).toEqual([0, 1]);
  },
  TIMEOUT_MS,
);

interface StoppingSource {
  /** Waits with what comes behind it. */
  stopAt: number;
  /** Whether somebody waits there now. */
  isStopped: boolean;
}

/** Returns when the process runs again. */
async function killDuring(fetcher: ServiceProcess, source: Parameters<typeof fetch>[1], origin: StoppingSource): Promise<void> {
  origin.isStopped = false;
  const fetching = fetch(fetcher.url, source).catch(() => "killed");
  await eventually(
    () => origin.isStopped,
    (isStopped) => isStopped,
    { withinMs: TIMEOUT_MS },
  );
  await fetcher.kill();
  expect(await fetching).toBe("killed");
  await fetcher.restart();
}

interface Origin extends StoppingSource {
  readonly url: string;
  readonly sha256: string;
  /** The first byte of each request. */
  readonly starts: readonly number[];
  readonly sentBytes: number;
}

/** A file of random mebibytes, repeated so that it takes no memory, with ranges and a strong ETag. */
async function startOrigin(): Promise<Origin> {
  const piece = randomBytes(MIB - 1);
  const sizeBytes = BODY_MIB * MIB;
  const starts: number[] = [];
  const origin = { url: "", sha256: sha256Repeated(piece, sizeBytes), starts, sentBytes: 0, stopAt: Infinity, isStopped: false };
  const server = createServer((request, response) => {
    const start = startOf(request);
    starts.push(start);
    const range = start > 0 && { "content-range": `bytes ${start}-${sizeBytes - 1}/${sizeBytes}` };
    response.writeHead(start > 0 ? 206 : 200, { etag: '"one"', "content-length": sizeBytes - start, ...range });
    void send(response, start).catch(() => undefined); // The client was killed; that is the test.
  });
  const send = async (response: ServerResponse, start: number): Promise<void> => {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    for (let at = start; at < sizeBytes && !response.destroyed;) {
      if (at >= origin.stopAt) return void (origin.isStopped = true);
      const bytes = piece.subarray(at % piece.length, (at % piece.length) + Math.min(sizeBytes, origin.stopAt) - at);
      at += bytes.length;
      origin.sentBytes += bytes.length;
      if (!response.write(bytes)) await once(response, "drain", { signal: gone.signal });
    }
    response.end();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  origin.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
  return origin;
}

function startOf({ headers }: IncomingMessage): number {
  return headers["if-range"] === '"one"' ? Number(/^bytes=(\d+)-$/u.exec(headers.range ?? "")?.[1] ?? 0) : 0;
}

interface Store extends StoppingSource {
  readonly url: string;
  readonly cid: string;
  readonly sha256: string;
}

/** A content store with one file of a few different blocks. */
async function startStore(): Promise<Store> {
  const piece = randomBytes(MIB);
  const leaf = rawCid(hash("sha256", piece, "buffer"));
  const blocks = new Map<string, Uint8Array>([[leaf.toString(), piece]]);
  const leaves = Array.from({ length: BODY_MIB }, () => ({ cid: leaf, sizeBytes: MIB, dagBytes: MIB }));
  const { cid } = buildFileDag(leaves, (id, block) => void blocks.set(id.toString(), block));
  const store = { url: "", cid: cid.toString(), sha256: sha256Repeated(piece, BODY_MIB * MIB), stopAt: Infinity, isStopped: false };
  const server = await startHttpServer({
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    routes: (router) => {
      router.service(BlockService, {
        getBlocks: async function* ({ cids }, { signal }) {
          for (const [at, id] of cids.entries()) {
            if (id === leaf.toString() && at >= store.stopAt) {
              store.isStopped = true;
              if (!signal.aborted) await once(signal, "abort");
              return;
            }
            yield { block: { cid: id, data: blocks.get(id) as Uint8Array<ArrayBuffer> } };
          }
        },
      });
    },
  });
  stack.defer(async () => await server.close());
  store.url = server.url;
  return store;
}

async function startFetcher(flags: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
  const own = { "data-folder": folder, "allowed-private-cidrs": "127.0.0.1/32", "free-bytes-min": "0" };
  return stack.use(await startServiceProcess("storage-fetcher", { ...own, ...flags }));
}

async function fetch(
  service: string,
  source:
    | { readonly case: "http"; readonly value: { readonly url: string; readonly sha256: string } }
    | { readonly case: "content"; readonly value: { readonly cid: string; readonly path: string } },
): Promise<FetchInputResponse_Ready> {
  const client = createClient(FetchService, createHttpTransport({ url: service }));
  const request = { leaseId: "e-1", input: { target: "/inputs", source }, bytesMax: BigInt(2 * BODY_MIB * MIB) };
  for await (const { event } of client.fetchInput(request)) if (event.case === "ready") return event.value;
  throw new Error("the stream ended without a path");
}

function leftIn(name: "scratch" | "partial" | "entries"): readonly string[] {
  return readdirSync(join(folder, "cache", name));
}

function sha256Repeated(piece: Uint8Array, sizeBytes: number): string {
  const whole = createHash("sha256");
  for (let at = 0; at < sizeBytes; at += piece.length) whole.update(piece.subarray(0, Math.min(piece.length, sizeBytes - at)));
  return whole.digest("hex");
}

async function sha256Of(path: string): Promise<string> {
  const whole = createHash("sha256");
  for await (const bytes of createReadStream(path)) whole.update(bytes as Buffer);
  return whole.digest("hex");
}
