import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { FetchService, type FetchInputResponse_Ready } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { InputPartition_By } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StorageFetcherConfig } from "../../services/storage-fetcher/src/config.ts";
import { createStorageFetcherService } from "../../services/storage-fetcher/src/service.ts";
import { startContentStore, type TestContentStore } from "../kit/content-store.ts";
import { randomExecutionId } from "../kit/random-execution-id.ts";

const RESULT = {
  stdout: "hello\n",
  "outputs/2024-01/a.csv": "a".repeat(1_000),
  "outputs/2024-01/b.txt": "b".repeat(2_000),
  "outputs/2024-02/c.csv": "c".repeat(3_000),
  "outputs/d.csv": "d".repeat(2_500_000),
};
let folder: string;
let stack: AsyncDisposableStack;
let store: TestContentStore;
let executionId: string;
let cid: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-content-input-"));
  stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  store = stack.use(await startContentStore());
  executionId = randomExecutionId();
  ({ cid } = await store.publish(executionId, RESULT));
});

afterEach(async () => {
  await stack.disposeAsync();
});

test("a result of this node is read in place, moves nothing and stays while it is leased", async () => {
  const node = await startFetcher("node", { publisher: store.transport, nodePublisher: store.transport });
  expect(await node.estimate({ cid })).toBe(0n);
  const ready = await node.fetch({ cid });
  expect(ready).toMatchObject({ wasCached: true, movedBytes: 0n, digest: `cid:${cid}`, writable: false });
  expect(ready.path.startsWith(folder)).toBe(false);
  expect(readFileSync(join(ready.path, "stdout"), "utf8")).toBe("hello\n");
  const part = await node.fetch({ cid, path: "outputs/2024-01" });
  expect(part).toMatchObject({ movedBytes: 0n, sizeBytes: 3_000n });
  expect(part.path).toBe(join(ready.path, "outputs/2024-01"));
  const results = createClient(PublishService, store.transport);
  await results.dropResult({ executionId });
  expect(readFileSync(join(part.path, "a.csv"), "utf8")).toBe(RESULT["outputs/2024-01/a.csv"]);
  expect(await node.client.getCacheState({})).toMatchObject({ entries: 0, hits: 2n, movedBytes: 0n });
  await node.client.releaseInputs({ leaseId: "e-1" });
});

test("what the node's publisher does not hold as files, or cannot be asked for, is fetched", async () => {
  const own = stack.use(await startContentStore());
  const node = await startFetcher("node", { publisher: store.transport, nodePublisher: own.transport });
  const upload = await store.upload("some text");
  expect(await node.fetch({ cid: upload })).toMatchObject({ wasCached: false, movedBytes: 9n });
  await own.stop();
  expect(await node.estimate({ cid })).toBeGreaterThan(0n);
  const { path, movedBytes } = await node.fetch({ cid });
  expect(movedBytes).toBe(2_506_006n);
  expect(path.startsWith(folder)).toBe(true);
  await node.client.releaseInputs({ leaseId: "e-1" });
});

test("a publisher that names something else than a plain path is not believed", async () => {
  mkdirSync(join(folder, "real"));
  symlinkSync(join(folder, "real"), join(folder, "link"));
  for (const path of [join(folder, "link"), join(folder, "nothing"), "relative", "/dev/null"]) {
    const liar = createRouterTransport(
      ({ service }) => void service(PublishService, { leaseTree: () => ({ path }), releaseTrees: () => ({}) }),
    );
    const node = await startFetcher(`node${path.replaceAll("/", "_")}`, { publisher: store.transport, nodePublisher: liar });
    expect((await node.fetch({ cid, path: "stdout" })).movedBytes).toBe(6n);
  }
});

test("a partition of a tree is the same whether the tree is here or its files are fetched, and moves its own bytes alone", async () => {
  const here = await startFetcher("here", { publisher: store.transport, nodePublisher: store.transport });
  const modes = [
    { by: InputPartition_By.FILES },
    { by: InputPartition_By.FILES, glob: "**/*.csv" },
    { by: InputPartition_By.OBJECT },
    { by: InputPartition_By.REGEX, pattern: "\\.(\\w+)$" },
    { by: InputPartition_By.SUBSTRING, startIndex: 0, endIndex: 7 },
    { by: InputPartition_By.DATE, dateFormat: "2006-01" },
    { by: InputPartition_By.LINES },
    { by: InputPartition_By.BYTES },
  ];
  for (const [at, partition] of modes.entries()) {
    const away = await startFetcher(`away-${at}`, { publisher: store.transport });
    let bytes = 0;
    for (const index of [0, 1, 2]) {
      const share = { partition, index, count: 3 };
      const [placed, fetched] = [await here.fetch({ cid, path: "outputs" }, share), await away.fetch({ cid, path: "outputs" }, share)];
      const files = sizesBelow(fetched.path);
      expect(files).toEqual(sizesBelow(placed.path));
      expect(JSON.parse(readFileSync(fetched.filesPath, "utf8"))).toEqual(JSON.parse(readFileSync(placed.filesPath, "utf8")));
      const own = Object.values(files).reduce((sum, size) => sum + size, 0);
      if (at < 6) expect(fetched).toMatchObject({ movedBytes: BigInt(own), sizeBytes: BigInt(own) });
      bytes += own;
      expect(await away.fetch({ cid, path: "outputs" }, share)).toMatchObject({ path: fetched.path, movedBytes: 0n, wasCached: true });
    }
    expect(bytes).toBe(at === 1 ? 2_504_000 : 2_506_000);
  }
});

test("a partition is cut from the whole tree when that is here, and moves nothing then", async () => {
  const away = await startFetcher("away", { publisher: store.transport });
  const share = { partition: { by: InputPartition_By.FILES }, index: 1, count: 2 };
  const before = await away.fetch({ cid, path: "outputs" }, share);
  await away.fetch({ cid, path: "outputs" });
  expect(await away.estimate({ cid, path: "outputs" })).toBe(0n);
  const after = await away.fetch({ cid, path: "outputs" }, share);
  expect(after).toMatchObject({ movedBytes: 0n, wasCached: true });
  expect(sizesBelow(after.path)).toEqual(sizesBelow(before.path));
});

test("a single file is divided like a tree of one file", async () => {
  const here = await startFetcher("here", { publisher: store.transport, nodePublisher: store.transport });
  const away = await startFetcher("away", { publisher: store.transport });
  for (const by of [InputPartition_By.FILES, InputPartition_By.OBJECT]) {
    for (const index of [0, 1]) {
      const share = { partition: { by }, index, count: 2 };
      const source = { cid, path: "outputs/d.csv" };
      const lists = [await here.fetch(source, share), await away.fetch(source, share)].map(({ filesPath }) =>
        readFileSync(filesPath, "utf8"),
      );
      expect(lists[0]).toBe(lists[1]);
    }
  }
});

interface Share {
  readonly partition: { readonly by: InputPartition_By } & Readonly<Record<string, unknown>>;
  readonly index: number;
  readonly count: number;
}

interface Fetcher {
  readonly client: ReturnType<typeof createClient<typeof FetchService>>;
  fetch(content: { cid: string; path?: string }, share?: Share): Promise<FetchInputResponse_Ready>;
  estimate(content: { cid: string; path?: string }): Promise<bigint>;
}

async function startFetcher(
  name: string,
  transports: { readonly publisher: Transport; readonly nodePublisher?: Transport },
): Promise<Fetcher> {
  const config = StorageFetcherConfig.parse({ dataFolder: join(folder, name), publishToken: store.token, estimateTimeoutMs: 5_000 });
  const service = createStorageFetcherService(config, { logger: silentLogger, ...transports });
  await service.start();
  stack.defer(async () => await service.stop("test over"));
  const client = createClient(
    FetchService,
    clientErrors(createRouterTransport(service.routes, { router: { interceptors: [serverErrors(silentLogger)] } })),
  );
  const inputOf = (value: { cid: string; path?: string }): object => ({ target: "/in", source: { case: "content" as const, value } });
  return {
    client,
    estimate: async (content) => (await client.estimateInputs({ inputs: [inputOf(content)] })).missingBytes,
    fetch: async (content, share) => {
      const divided = share === undefined ? {} : { partitionIndex: share.index, partitionCount: share.count };
      const input = { ...inputOf(content), ...(share && { partition: share.partition }) };
      for await (const { event } of client.fetchInput({ leaseId: "e-1", input, bytesMax: 1n << 30n, ...divided }))
        if (event.case === "ready") return event.value;
      throw new Error("no ready");
    },
  };
}

function sizesBelow(root: string): Record<string, number> {
  if (!existsSync(root) || statSync(root).isFile()) return { "": statSync(root).size };
  const names = readdirSync(root, { recursive: true }) as string[];
  return Object.fromEntries(
    names
      .filter((name) => statSync(join(root, name)).isFile())
      .toSorted()
      .map((name) => [name, statSync(join(root, name)).size]),
  );
}
