import { hash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { createLink, createNode, encode } from "@ipld/dag-pb";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { FetchService, type FetchInputResponse_Ready } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { dagPbCid, rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, buildSymlink } from "@skrei/unixfs/file-dag.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { buildFolderShard } from "@skrei/unixfs/folder-shard.ts";
import { UnixFS } from "ipfs-unixfs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type BlockHandler, sendBlock, startIpfsGateway, type TestGateway } from "../../../test/kit/ipfs-gateway.ts";
import { StorageFetcherConfig } from "./config.ts";
import { createStorageFetcherService, type StorageFetcherService } from "./service.ts";

const KIB = 1_024;
const outside = new Map<string, Uint8Array>();
const inStore = new Map<string, Uint8Array>();
let folder: string;
let readsOfStore: number;
let stack: AsyncDisposableStack;
let fetcher: StorageFetcherService;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skrei-ipfs-"));
  outside.clear();
  inStore.clear();
  readsOfStore = 0;
  stack = new AsyncDisposableStack();
});
afterEach(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

test("a path below a content id is cached by the content id of what it names", async () => {
  await start([]);
  const { root, sub } = tree(inStore);
  const named = await fetchContent(root, "sub");
  expect(readdirSync(named.path).toSorted()).toEqual(["big", "small"]);
  expect(named).toMatchObject({ digest: `cid:${sub}`, wasCached: false });
  const reads = readsOfStore;
  expect(await fetchContent(root, "sub")).toMatchObject({ path: named.path, wasCached: true });
  expect(await fetchContent(sub)).toMatchObject({ path: named.path, wasCached: true });
  expect(readsOfStore).toBe(reads);
  expect((await client().estimateInputs({ inputs: [input(root, "sub")] })).missingBytes).toBe(0n);
  expect(readFileSync((await fetchContent(root, "sub/small")).path, "utf8")).toBe("small");
  for (const path of ["nothing", "sub/nothing", "sub/small/below", "Sub"])
    await expect(fetchContent(root, path)).rejects.toMatchObject({
      reason: "SOURCE_UNREACHABLE",
      message: expect.stringContaining(path) as string,
    });
});

test("a path leads through a sharded folder, and reads only the blocks on its way", async () => {
  await start([]);
  const leaf = leafOf("x", inStore);
  const shard = buildFolderShard(
    Array.from({ length: 5_000 }, (_, index) => ({ name: `file ${index}`, ...leaf })),
    keepIn(inStore),
  );
  const root = buildFolderDag([{ name: "many", ...shard, sizeBytes: 0 }], keepIn(inStore)).cid.toString();
  expect(readFileSync((await fetchContent(root, "many/file 4711")).path, "utf8")).toBe("x");
  expect(readsOfStore).toBeLessThan(8);
});

test("content that is a link itself is refused: it would be followed outside of the task", async () => {
  await start([]);
  const link = buildSymlink("/etc/passwd", keepIn(inStore));
  const root = buildFolderDag([{ name: "link", ...link }], keepIn(inStore)).cid.toString();
  await expect(fetchContent(link.cid.toString())).rejects.toMatchObject({ reason: "SOURCE_DIGEST_MISMATCH" });
  await expect(fetchContent(root, "link")).rejects.toMatchObject({ reason: "SOURCE_DIGEST_MISMATCH" });
});

test("a file whose parts have no bytes and multiply is refused at once", async () => {
  await start([]);
  let cid = rawCid(hash("sha256", Buffer.alloc(0), "buffer"));
  inStore.set(cid.toString(), Buffer.alloc(0));
  for (let depth = 0; depth < 20; depth++) {
    const header = new UnixFS({ type: "file", blockSizes: Array.from({ length: 100 }, () => 0n) });
    const block = encode(
      createNode(
        header.marshal(),
        Array.from({ length: 100 }, () => createLink("", 0, cid)),
      ),
    );
    cid = dagPbCid(block);
    inStore.set(cid.toString(), block);
  }
  await expect(fetchContent(cid.toString())).rejects.toMatchObject({ reason: "SOURCE_DIGEST_MISMATCH" });
  expect(readsOfStore).toBeLessThan(5);
});

test("what the store lacks comes from a gateway, verified, several blocks at once, and only once", async () => {
  const gateway = await startGateway((block, response) => setImmediate(() => sendBlock(block, response)));
  await start([gateway], { ipfsParallelMax: 4 });
  const { root, big } = tree(outside);
  const { path } = await fetchContent(root);
  expect(readFileSync(join(path, "sub", "big")).equals(big)).toBe(true);
  expect(new Set(gateway.asked).size).toBe(gateway.asked.length);
  expect(gateway.parallelMax).toBeGreaterThan(1);
  expect(gateway.parallelMax).toBeLessThanOrEqual(4);
  const asked = gateway.asked.length;
  expect(await fetchContent(root)).toMatchObject({ path, wasCached: true });
  expect(gateway.asked.length).toBe(asked);
});

test("blocks that the store has are not asked of a gateway, in whatever order they lie", async () => {
  const gateway = await startGateway();
  await start([gateway]);
  const { root, big } = tree(outside);
  const held = [...outside].filter((_, index) => index % 2 === 0);
  for (const [cid, block] of held) inStore.set(cid, block);
  expect(readFileSync(join((await fetchContent(root)).path, "sub", "big")).equals(big)).toBe(true);
  expect(gateway.asked.filter((cid) => inStore.has(cid))).toEqual([]);
});

test("a gateway serves also while the store does not answer", async () => {
  const gateway = await startGateway();
  await start([gateway], {}, unreachable());
  const { root } = tree(outside);
  expect(readdirSync((await fetchContent(root)).path)).toEqual(["sub"]);
});

test("a Kubo daemon is asked after the gateways", async () => {
  const empty = await startIpfsGateway(new Map());
  stack.use(empty);
  const kubo = await startGateway();
  await start([empty], { ipfsRpcUrl: kubo.url });
  const { root } = tree(outside);
  expect(readdirSync((await fetchContent(root)).path)).toEqual(["sub"]);
  expect(empty.asked.length).toBe(kubo.asked.length);
});

test.each<readonly [string, BlockHandler, { readonly isLeftAlone: boolean; readonly words: RegExp }]>([
  [
    "sends wrong bytes",
    (_, response) => void response.end(randomBytes(100)),
    { isLeftAlone: true, words: /bytes that are not the block/u },
  ],
  ["sends a page instead of a block", page, { isLeftAlone: true, words: /a page \(text\/html\)/u }],
  ["never ends", endless, { isLeftAlone: true, words: /no end/u }],
  ["redirects to a metadata service", redirect("http://169.254.169.254/latest/"), { isLeftAlone: true, words: /leads where it may not/u }],
  ["redirects to a private host", redirect("http://127.0.0.1:9/"), { isLeftAlone: true, words: /leads where it may not/u }],
  ["cuts the connection in the middle", cut, { isLeftAlone: false, words: /broke the connection/u }],
  ["never answers", () => undefined, { isLeftAlone: false, words: /within 300 ms/u }],
  ["drips", drip, { isLeftAlone: false, words: /within 300 ms/u }],
  ["has nothing", (_, response) => sendBlock(undefined, response), { isLeftAlone: false, words: /does not give the block \(404\)/u }],
  ["asks for patience", patience, { isLeftAlone: false, words: /asks for patience \(429\)/u }],
  ["fails", (_, response) => void response.writeHead(502).end(), { isLeftAlone: false, words: /answered 502/u }],
])(
  "when a gateway %s, the next gives the block",
  async (_, handle, { isLeftAlone, words }) => {
    const bad = await startGateway(handle);
    const good = await startGateway();
    await start([bad, good], { ipfsTimeoutMs: 300, ipfsParallelMax: 1 });
    const { root, big } = tree(outside);
    expect(readFileSync(join((await fetchContent(root)).path, "sub", "big")).equals(big)).toBe(true);
    expect(new Set(good.asked)).toEqual(new Set(outside.keys()));
    if (isLeftAlone) expect(bad.asked.length).toBe(1);
    // Alone it cannot give the block, and its own words say why.
    await fetcher.stop("restart");
    await start([bad], { ipfsTimeoutMs: 300 });
    const failure = fetchContent(rawCid(hash("sha256", "another", "buffer")).toString());
    await expect(failure).rejects.toMatchObject({ reason: "SOURCE_UNREACHABLE", message: expect.stringMatching(words) as string });
    expect(readdirSync(join(folder, "cache", "scratch"))).toEqual([]);
  },
  60_000,
);

test("a gateway that recovers is used again", async () => {
  let calls = 0;
  const flaky = await startGateway((block, response) => {
    calls += 1;
    if (calls % 3 === 1) response.destroy();
    else sendBlock(block, response);
  });
  await start([flaky], { ipfsParallelMax: 1 });
  const { root, big } = tree(outside);
  expect(readFileSync(join((await fetchContent(root)).path, "sub", "big")).equals(big)).toBe(true);
});

test("a bid asks a gateway for the size once, and does not wait for a slow one", async () => {
  const gateway = await startGateway();
  await start([gateway]);
  const { root } = tree(outside);
  const [first, second] = [
    await client().estimateInputs({ inputs: [input(root)] }),
    await client().estimateInputs({ inputs: [input(root)] }),
  ];
  expect(Number(first.missingBytes)).toBeGreaterThan(600 * KIB);
  expect(second).toEqual(first);
  expect(gateway.asked.length).toBe(1);
  await fetcher.stop("restart");
  const slow = await startGateway(() => undefined);
  await start([slow], { estimateTimeoutMs: 50 });
  expect((await client().estimateInputs({ inputs: [input(root)] })).missingBytes).toBe(0n);
});

test("a fetch that nobody waits for stops asking", async () => {
  const gateway = await startGateway(() => undefined);
  await start([gateway]);
  const leaving = new AbortController();
  const left = fetchContent(tree(outside).root, "", leaving.signal);
  await expect.poll(() => gateway.asked.length).toBe(1);
  leaving.abort();
  await expect(left).rejects.toMatchObject({ kind: "cancelled" });
  await expect.poll(() => existsSync(join(folder, "cache", "scratch")) && readdirSync(join(folder, "cache", "scratch"))).toEqual([]);
});

async function start(
  gateways: readonly TestGateway[],
  more: Partial<StorageFetcherConfig> = {},
  publisher: Transport = storeTransport(),
): Promise<void> {
  const settings = { dataFolder: folder, ipfsGateways: gateways.map(({ url }) => url), triesMax: 3, ...more };
  const service = createStorageFetcherService(StorageFetcherConfig.parse(settings), { logger: silentLogger, publisher });
  stack.defer(async () => await service.stop("test over"));
  await service.start();
  fetcher = service;
}

async function startGateway(handle?: BlockHandler): Promise<TestGateway> {
  return stack.use(await startIpfsGateway(outside, handle));
}

/** `sub/big` in 12 blocks, and `sub/small`. */
function tree(blocks: Map<string, Uint8Array>): { readonly root: string; readonly sub: string; readonly big: Buffer } {
  const big = randomBytes(12 * 64 * KIB);
  const leaves = Array.from({ length: 12 }, (_, index) => leafOf(big.subarray(index * 64 * KIB, (index + 1) * 64 * KIB), blocks));
  const keep = keepIn(blocks);
  const files = [
    { name: "big", ...buildFileDag(leaves, keep) },
    { name: "small", ...leafOf("small", blocks) },
  ];
  const sub = buildFolderDag(files, keep);
  return { root: buildFolderDag([{ name: "sub", ...sub }], keep).cid.toString(), sub: sub.cid.toString(), big };
}

function leafOf(content: string | Buffer, blocks: Map<string, Uint8Array>) {
  const data = Buffer.from(content);
  const cid = rawCid(hash("sha256", data, "buffer"));
  blocks.set(cid.toString(), data);
  return { cid, sizeBytes: data.length, dagBytes: data.length };
}

function keepIn(blocks: Map<string, Uint8Array>) {
  return (cid: { toString(): string }, block: Uint8Array): void => void blocks.set(cid.toString(), block);
}

function input(cid: string, path = "") {
  return { target: "/inputs", source: { case: "content" as const, value: { cid, path } } };
}

async function fetchContent(cid: string, path = "", signal?: AbortSignal): Promise<FetchInputResponse_Ready> {
  const request = { leaseId: "e-1", input: input(cid, path), bytesMax: BigInt(10_240 * KIB) };
  for await (const { event } of client().fetchInput(request, signal === undefined ? {} : { signal }))
    if (event.case === "ready") return event.value;
  throw new Error("the stream ended without a path");
}

function client(): ReturnType<typeof createClient<typeof FetchService>> {
  return createClient(
    FetchService,
    inMemory((router) => fetcher.routes(router)),
  );
}

function inMemory(routes: Parameters<typeof createRouterTransport>[0]): Transport {
  return clientErrors(createRouterTransport(routes, { router: { interceptors: [serverErrors(silentLogger)] } }));
}

function storeTransport(): Transport {
  return inMemory((router) => {
    router.service(BlockService, {
      findMissingBlocks: ({ cids }) => ({ missingCids: cids.filter((cid) => !inStore.has(cid)) }),
      getBlocks: async function* ({ cids }) {
        for (const cid of cids) {
          readsOfStore += 1;
          const data = inStore.get(cid);
          if (data === undefined) throw new DomainError("notFound", "BLOCK_MISSING", `no ${cid}`);
          yield { block: { cid, data: Uint8Array.from(data) } };
        }
      },
    });
  });
}

function unreachable(): Transport {
  const refuse = () => Promise.reject(new DomainError("unavailable", "UNREACHABLE", "nobody listens"));
  return { unary: refuse, stream: refuse };
}

function page(_: Uint8Array | undefined, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<html>a folder</html>");
}

function endless(_: Uint8Array | undefined, response: ServerResponse): void {
  const piece = Buffer.alloc(64 * KIB);
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
}

function redirect(location: string): BlockHandler {
  return (_, response) => void response.writeHead(302, { location }).end();
}

function cut(_: Uint8Array | undefined, response: ServerResponse): void {
  response.writeHead(200, { "content-length": 1_000 });
  response.write("half", () => response.destroy());
}

function drip(_: Uint8Array | undefined, response: ServerResponse): void {
  response.writeHead(200, { "content-length": 1_000 });
  const timer = setInterval(() => response.write("x"), 20);
  response.once("close", () => clearInterval(timer));
}

function patience(_: Uint8Array | undefined, response: ServerResponse): void {
  response.writeHead(429, { "retry-after": "30" }).end();
}
