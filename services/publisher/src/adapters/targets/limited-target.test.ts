import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@skrei/platform/logger.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../../../../test/kit/eventually.ts";
import { randomExecutionId } from "../../../../../test/kit/random-execution-id.ts";
import { answer, type ScriptedS3, startScriptedS3 } from "../../../../../test/kit/scripted-s3.ts";
import { PublisherConfig } from "../../config.ts";
import type { DeliveryTarget } from "../../domain/delivery-target.ts";
import type { Targets } from "../../ports.ts";
import { createTargets } from "./create-targets.ts";

const blocks = new Map<string, Uint8Array>();
const EMPTY = buildFolderDag([], (cid, block) => void blocks.set(cid.toString(), block)).cid.toString();
const S3 = { type: "s3", bucket: "results", key: "{executionID}", region: "", endpoint: "", encoding: "tar.gz" } as const;
let folder: string;
let stopped: AbortController;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skrei-limited-"));
  stopped = new AbortController();
});

afterEach(() => {
  stopped.abort(new Error("the test is over"));
  rmSync(folder, { recursive: true, force: true });
});

test("a target that hangs holds a few deliveries, and none to another target", async () => {
  await using server = await startScriptedS3(() => undefined);
  const targets = targetsAt(server);
  const hanging = Array.from({ length: 50 }, () => deliver(targets, S3).catch((error: unknown) => error));
  await eventually(server.open, (open) => open > 0, { withinMs: 10_000 });
  for (let round = 0; round < 10; round++)
    await expect(deliver(targets, { type: "local", path: `${folder}/{executionID}` })).resolves.toMatch(/^file:/u);
  expect(server.accepted()).toBeLessThanOrEqual(4);
  stopped.abort(new Error("the test is over"));
  expect(await Promise.all(hanging)).toEqual(Array.from({ length: 50 }, () => stopped.signal.reason));
});

test("who waits for its turn hears that the target is away as soon as one has found out", async () => {
  await using server = await startScriptedS3(answer(503));
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => deliver(targetsAt(server), S3)));
  const targets = targetsAt(server);
  const before = server.requests.length;
  const together = await Promise.allSettled(Array.from({ length: 50 }, () => deliver(targets, S3)));
  for (const outcome of [...outcomes, ...together]) expect(outcome).toMatchObject({ reason: { reason: "TARGET_UNAVAILABLE" } });
  expect(server.requests.length - before).toBeLessThan(before / 4);
});

test("all are delivered in the end, whoever leaves meanwhile", async () => {
  await using server = await startScriptedS3(answer(200, { etag: '"x"' }));
  const targets = targetsAt(server);
  const leaving = new AbortController();
  // Without the execution's id there is nothing of earlier tries to look for first.
  const target = { ...S3, key: "{jobID}" };
  const left = Array.from({ length: 10 }, () => deliver(targets, target, leaving.signal).catch((error: unknown) => error));
  const stayed = Array.from({ length: 30 }, () => deliver(targets, target));
  leaving.abort(new Error("left"));
  expect(await Promise.all(left)).toEqual(Array.from({ length: 10 }, () => leaving.signal.reason));
  expect(await Promise.all(stayed)).toHaveLength(30);
  await expect(deliver(targets, target)).resolves.toMatch(/^s3:/u);
});

function targetsAt({ endpoint }: ScriptedS3): Targets {
  const config = PublisherConfig.parse({
    dataFolder: folder,
    s3Endpoint: endpoint,
    s3AccessKeyId: "key",
    s3SecretAccessKey: "secret",
    publishFolders: folder,
  });
  return createTargets(config, { load: async (cid) => blocks.get(cid.toString()) ?? new Uint8Array(), logger: silentLogger });
}

async function deliver(targets: Targets, target: DeliveryTarget, signal = stopped.signal): Promise<string> {
  const named = { jobId: "j-1", nodeId: "n-1", partition: 0, endedAtMs: 0, executionId: randomExecutionId() };
  return await targets.deliver({ target, result: { ...named, cid: EMPTY, sizeBytes: 0 }, onProgress: () => undefined }, signal);
}
