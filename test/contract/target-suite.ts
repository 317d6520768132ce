import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { PublisherSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { PublisherConfig } from "@skrei/publisher/config";
import { createPublisherService, type PublisherService } from "@skrei/publisher/service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomExecutionId } from "../kit/random-execution-id.ts";
import { makeDifficultResult, type TreeFacts } from "../kit/tree-facts.ts";

export type PublisherInit = MessageInitShape<typeof PublisherSchema>;

/** A real place for results, as the suite needs it. */
export interface TargetUnderTest extends AsyncDisposable {
  /** Settings of the publisher that offer it. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What a job asks for; a place of its own for each execution. */
  readonly publisher: PublisherInit;
  /** How the address of an execution's result begins. */
  readonly urlPrefix: string;
  /** What lies there, read by means that are not ours. */
  read(url: string): Promise<TreeFacts>;
  /** What is lost by design. */
  isKept(fact: readonly [path: string, fact: string]): boolean;
  /** It does not answer from now on; what it holds stays. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
}

/** What every kind of target has to do. */
export function describeTarget(name: string, start: () => Promise<TargetUnderTest>): void {
  describe(`results published to ${name}`, () => {
    let target: TargetUnderTest;
    let node: TestPublisher;

    beforeAll(async () => {
      target = await start();
      node = await startTestPublisher(target.settings);
    });
    afterAll(async () => {
      await node[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    });

    test("are there as a whole, with progress on the way", { timeout: 120_000 }, async () => {
      const staged = await node.stage(20 * 1_048_576);
      const { deliveryUrl, progress } = await node.publish(staged.executionId, target.publisher);
      expect(deliveryUrl.startsWith(target.urlPrefix)).toBe(true);
      const expected = Object.fromEntries(Object.entries(staged.facts).filter((fact) => target.isKept(fact)));
      expect(await target.read(deliveryUrl)).toEqual(expected);
      expect(progress.every(({ bytesDone, bytesTotal }) => bytesDone <= bytesTotal)).toBe(true);
    });

    test("are there once: a repetition gives the same place and asks nobody", { timeout: 120_000 }, async () => {
      const { executionId } = await node.stage(1);
      const first = await node.publish(executionId, target.publisher);
      await target.goAway();
      try {
        const again = await node.publish(executionId, target.publisher);
        expect(again).toMatchObject({ deliveryUrl: first.deliveryUrl, manifestCid: first.manifestCid });
      } finally {
        await target.comeBack();
      }
    });

    test("wait while it is away, and are delivered when it is back", { timeout: 120_000 }, async () => {
      const { executionId } = await node.stage(1);
      await target.goAway();
      try {
        await expect(node.publish(executionId, target.publisher)).rejects.toMatchObject({
          kind: "unavailable",
          reason: "TARGET_UNAVAILABLE",
        });
        // The cluster's store has it all the same.
        expect(await node.publish(executionId, { type: 1 })).toMatchObject({ deliveryUrl: "" });
      } finally {
        await target.comeBack();
      }
      const { deliveryUrl } = await node.publish(executionId, target.publisher);
      expect(await target.read(deliveryUrl)).toMatchObject({ exitCode: expect.any(String) as string });
    });

    test("are delivered to the same place again when the note of it was lost in a crash", { timeout: 120_000 }, async () => {
      const { executionId } = await node.stage(9 * 1_048_576);
      const first = await node.publish(executionId, target.publisher);
      const before = await target.read(first.deliveryUrl);
      await node.forgetDeliveries();
      expect(await node.publish(executionId, target.publisher)).toMatchObject({ deliveryUrl: first.deliveryUrl });
      expect(await target.read(first.deliveryUrl)).toEqual(before);
    });

    test("end with their caller", async () => {
      const { executionId } = await node.stage(1);
      const signal = AbortSignal.abort();
      await expect(node.publish(executionId, target.publisher, signal)).rejects.toMatchObject({ kind: "cancelled" });
    });

    test("are not asked for where the operator offers no targets", async () => {
      await using bare = await startTestPublisher({});
      await expect(bare.client.checkTarget({ publisher: target.publisher })).rejects.toMatchObject({
        kind: "precondition",
        reason: "TARGET_NOT_OFFERED",
        metadata: { hint: expect.stringContaining("operator") as string },
      });
      await expect(node.client.checkTarget({ publisher: target.publisher })).resolves.toBeDefined();
    });
  });
}

export interface TestPublisher extends AsyncDisposable {
  readonly client: ReturnType<typeof createClient<typeof PublishService>>;
  stage(largeBytes: number): Promise<{ readonly executionId: string; readonly cid: string; readonly facts: TreeFacts }>;
  publish(executionId: string, publisher: PublisherInit, signal?: AbortSignal): Promise<PublishedFacts>;
  /** As a crash right before the note would have it. */
  forgetDeliveries(): Promise<void>;
}

interface PublishedFacts {
  readonly cid: string;
  readonly manifestCid: string;
  readonly deliveryUrl: string;
  readonly progress: readonly { readonly bytesDone: bigint; readonly bytesTotal: bigint }[];
}

/** The cluster's publisher in this process, with these settings. */
export async function startTestPublisher(settings: Readonly<Record<string, unknown>>): Promise<TestPublisher> {
  const folder = mkdtempSync(join(tmpdir(), "skrei-targets-"));
  const config = PublisherConfig.parse({ dataFolder: join(folder, "data"), freeBytesMin: 0, ...settings });
  let service: PublisherService = createPublisherService(config, { logger: silentLogger });
  const routes: PublisherService["routes"] = (router) => service.routes(router);
  const connect = (): TestPublisher["client"] =>
    createClient(PublishService, clientErrors(createRouterTransport(routes, { router: { interceptors: [serverErrors(silentLogger)] } })));
  let client = connect();
  await service.start();
  return {
    get client() {
      return client;
    },
    stage: async (largeBytes) => {
      const executionId = randomExecutionId();
      const source = join(folder, executionId);
      mkdirSync(source);
      const facts = makeDifficultResult(source, largeBytes);
      const { cid } = await client.stageResult({ executionId, folder: source, bytesMax: 1n << 40n });
      return { executionId, cid, facts };
    },
    publish: async (executionId, publisher, signal) => {
      const progress: { bytesDone: bigint; bytesTotal: bigint }[] = [];
      const provenance = { jobId: "j-1", nodeId: "n-1", partition: 3, endTimeMs: BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) };
      const request = { executionId, provenance, publisher };
      for await (const { event } of client.publishResult(request, signal === undefined ? {} : { signal })) {
        if (event.case === "done") return { ...event.value, progress };
        if (event.case === "progress") progress.push(event.value);
      }
      throw new Error("it was not done");
    },
    forgetDeliveries: async () => {
      await service.stop("the test says so");
      for (const ending of ["", "-wal", "-shm"]) rmSync(join(config.dataFolder, `deliveries.sqlite${ending}`), { force: true });
      service = createPublisherService(config, { logger: silentLogger });
      client = connect();
      await service.start();
    },
    [Symbol.asyncDispose]: async () => {
      await service.stop("the test is over");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
