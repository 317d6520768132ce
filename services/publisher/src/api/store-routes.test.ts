import { hash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { signLink } from "@skrei/platform/signed-link.ts";
import { BlockService, PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { randomExecutionId } from "../../../../test/kit/random-execution-id.ts";
import { PublisherConfig } from "../config.ts";
import { createPublisherService, type PublisherService } from "../service.ts";

const headers = { authorization: "Bearer cluster-token" };
const data = Buffer.from("uploaded");
const cid = rawCid(hash("sha256", data, "buffer")).toString();
let folder: string;
let service: PublisherService;
let transport: Transport;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-store-routes-"));
  const settings = { dataFolder: folder, publishToken: "cluster-token", linkSecret: "links", freeBytesMin: 0, uploadTtlMs: 60_000 };
  service = createPublisherService(PublisherConfig.parse(settings), { logger: silentLogger });
  await service.start();
  transport = clientErrors(createRouterTransport(service.routes, { router: { interceptors: [serverErrors(silentLogger)] } }));
});

afterEach(async () => {
  await service.stop("test over");
  rmSync(folder, { recursive: true, force: true });
});

test("an upload is kept for a while, longer when somebody says so, and gone when it is unpinned and collected", async () => {
  const store = createClient(StoreService, transport);
  const token = signLink({ key: "links", purpose: "upload", cid, expiresAtMs: Date.now() + 60_000, bytesMax: 100 });
  const link = { authorization: `Bearer ${token}` };
  const blocks = createClient(BlockService, transport);
  await blocks.putBlocks({ blocks: [{ cid, data }] }, { headers: link });
  const before = BigInt(Date.now());
  await blocks.pinRoot({ cid, owner: "pin:mine", expireTimeMs: 0n }, { headers: link });
  const [pin] = (await store.listPins({}, { headers })).pins;
  expect(pin).toMatchObject({ owner: `upload:${cid}`, cid, sizeBytes: 8n });
  expect((pin?.expireTimeMs ?? 0n) - before).toBeGreaterThanOrEqual(60_000n);
  expect((pin?.expireTimeMs ?? 0n) - before).toBeLessThan(120_000n);
  await store.extendPins({ owners: [`upload:${cid}`], expireTimeMs: before + 999_999n }, { headers });
  expect((await store.listPins({ cid }, { headers })).pins[0]?.expireTimeMs).toBe(before + 999_999n);
  expect((await store.unpin({ owners: [`upload:${cid}`, "nobody"] }, { headers })).pins).toBe(1);
  expect(await store.collectGarbage({ dryRun: true }, { headers })).toMatchObject({ blocks: 0n });
  expect(await store.getStoreState({})).toMatchObject({ sizeBytes: 8n, unpinnedBytes: 8n, pins: 0, targets: ["cluster"] });
});

test.each([
  ["no token", {}],
  ["an upload link", undefined],
  ["another token", { authorization: "Bearer other" }],
])("tells nothing of what it keeps to a caller with %s", async (_, given) => {
  const link = signLink({ key: "links", purpose: "upload", cid, expiresAtMs: Date.now() + 60_000 });
  const options = { headers: given ?? { authorization: `Bearer ${link}` } };
  const store = createClient(StoreService, transport);
  for (const call of [
    store.listPins({}, options),
    store.unpin({ owners: ["x"] }, options),
    store.extendPins({}, options),
    store.collectGarbage({}, options),
  ])
    await expect(call).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
});

test("refuses pages and lists of owners beyond its limits", async () => {
  const store = createClient(StoreService, transport);
  await expect(store.listPins({ pageSize: 1_001 }, { headers })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
  await expect(store.listPins({ pageToken: "made up" }, { headers })).rejects.toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  const owners = Array.from({ length: 1_001 }, (_, index) => `pin:${index}`);
  await expect(store.unpin({ owners }, { headers })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
});

test("gives a result to be read in place, and says when it cannot", async () => {
  const source = mkdtempSync(join(folder, "result-"));
  writeFileSync(join(source, "stdout"), "hello");
  const client = createClient(PublishService, transport);
  const executionId = randomExecutionId();
  const staged = await client.stageResult({ executionId, folder: source, bytesMax: 100n });
  const { path, sizeBytes } = await client.leaseTree({ cid: staged.cid, leaseId: "reader" });
  expect({ path, sizeBytes }).toEqual({ path: join(folder, "store", "results", executionId), sizeBytes: 5n });
  await client.releaseTrees({ leaseId: "reader" });
  await expect(client.leaseTree({ cid, leaseId: "reader" })).rejects.toMatchObject({ reason: "BLOCK_MISSING" });
  await expect(client.leaseTree({ cid: "nonsense", leaseId: "reader" })).rejects.toMatchObject({ reason: "CONTENT_ID_INVALID" });
  await expect(client.leaseTree({ cid, leaseId: "" })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
});
