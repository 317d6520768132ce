import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createRouterTransport, type Interceptor, type Transport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { systemClock } from "@skrei/platform/clock.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { signLink } from "@skrei/platform/signed-link.ts";
import { BlockService, PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { PublisherConfig } from "../../services/publisher/src/config.ts";
import { createPublisherService } from "../../services/publisher/src/service.ts";
import { createContentStoreClient } from "../../services/scheduler/src/adapters/content-store-client.ts";
import type { ContentStorePort } from "../../services/scheduler/src/ports.ts";

const LINK_KEY = "link-secret-of-the-test";
const PUBLISH_TOKEN = "publish-token-of-the-test";

export interface Published {
  readonly cid: string;
  readonly manifestCid: string;
}

/** The cluster's publisher, for real, in this process. */
export interface TestContentStore extends AsyncDisposable {
  /** Calls have the cluster's token. */
  readonly transport: Transport;
  /** For reading and pushing blocks. */
  readonly token: string;
  /** The scheduler's own client of it. */
  readonly port: ContentStorePort;
  /** Publishes the result of an execution. */
  publish(executionId: string, files: Readonly<Record<string, string>>): Promise<Published>;
  /** Uploads one file as a client does, by a link; gives its content id. */
  upload(text: string): Promise<string>;
  /** Those of the content ids that are still there. */
  kept(cids: readonly string[]): Promise<readonly string[]>;
  /** From now on it does not answer. */
  stop(): Promise<void>;
}

export async function startContentStore(
  clock: { nowMs(): number; sleep(delayMs: number, signal: AbortSignal): Promise<void> } = systemClock,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<TestContentStore> {
  const folder = mkdtempSync(join(tmpdir(), "skrei-content-store-"));
  const config = PublisherConfig.parse({
    dataFolder: join(folder, "publisher"),
    linkSecret: LINK_KEY,
    publishToken: PUBLISH_TOKEN,
    ...settings,
  });
  const publisher = createPublisherService(config, { logger: silentLogger, clock });
  await publisher.start();
  const withClusterToken: Interceptor = (next) => (request) => {
    if (!request.header.has("authorization")) request.header.set("authorization", `Bearer ${PUBLISH_TOKEN}`);
    return next(request);
  };
  const interceptors = { router: { interceptors: [serverErrors(silentLogger)] }, transport: { interceptors: [withClusterToken] } };
  const transport = clientErrors(createRouterTransport(publisher.routes, interceptors));
  const blocks = createClient(BlockService, transport);
  const results = createClient(PublishService, transport);
  const withToken = (token: string): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${token}` } });
  return {
    transport,
    token: PUBLISH_TOKEN,
    port: createContentStoreClient(transport, PUBLISH_TOKEN),
    publish: async (executionId, files) => {
      const source = join(folder, executionId);
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(source, name)), { recursive: true });
        writeFileSync(join(source, name), text);
      }
      await results.stageResult({ executionId, folder: source, bytesMax: 1n << 30n });
      for await (const { event } of results.publishResult({ executionId, provenance: {} })) {
        if (event.case === "done") return { cid: event.value.cid, manifestCid: event.value.manifestCid };
      }
      throw new Error("the publisher did not say that it is done");
    },
    upload: async (text) => {
      const data = Uint8Array.from(Buffer.from(text));
      const cid = rawCid(hash("sha256", data, "buffer")).toString();
      const expiresAtMs = clock.nowMs() + 60_000;
      const options = withToken(signLink({ key: LINK_KEY, purpose: "upload", cid, expiresAtMs, bytesMax: data.length + 1 }));
      await blocks.putBlocks({ blocks: [{ cid, data }] }, options);
      await blocks.pinRoot({ cid }, options);
      return cid;
    },
    kept: async (cids) => {
      const { missingCids } = await blocks.findMissingBlocks({ cids: [...cids] }, withToken(PUBLISH_TOKEN));
      return cids.filter((cid) => !missingCids.includes(cid));
    },
    stop: async () => await publisher.stop("the test wants it away"),
    [Symbol.asyncDispose]: async () => {
      await publisher.stop("the test is over");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
