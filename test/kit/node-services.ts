import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { ScriptedProxy } from "./scripted-proxy.ts";

/** What an agent finds on its node, reduced to what its own tests need: inline inputs, doors without traffic, results in a folder. Its store does not answer. */
export interface NodeServices {
  readonly fetcher: Transport;
  readonly proxy: Transport;
  readonly publisher: Transport;
  /** While true the cluster's store is away: publishing fails with UPSTREAM_UNAVAILABLE. */
  isUpstreamAway: boolean;
  /** Behind `proxy`. */
  readonly doors: ScriptedProxy;
  readonly leases: ReadonlySet<string>;
  /** Where the result of an execution lies once it was staged. */
  resultFolder(executionId: string): string;
  readonly published: ReadonlySet<string>;
}

export async function startNodeServices(folder: string): Promise<NodeServices> {
  const doors = new ScriptedProxy();
  const leases = new Set<string>();
  const published = new Set<string>();
  const resultFolder = (executionId: string): string => join(folder, "results", executionId);
  await mkdir(join(folder, "results"), { recursive: true });
  await mkdir(join(folder, "cache"), { recursive: true });
  const services = { isUpstreamAway: false, doors, leases, published, resultFolder };
  const router = { interceptors: [serverErrors(silentLogger)] };
  const fetcher = createRouterTransport(
    ({ service }) =>
      service(FetchService, {
        estimateInputs: ({ inputs }) => ({
          missingBytes: BigInt(inputs.reduce((sum, { source }) => sum + (source.case === "inline" ? source.value.data.length : 0), 0)),
        }),
        fetchInput: async function* ({ leaseId, input, partitionIndex, partitionCount }) {
          if (input?.source.case === "http")
            throw new DomainError("unavailable", "SOURCE_UNREACHABLE", `${input.source.value.url} does not answer`);
          const data = input?.source.case === "inline" ? input.source.value.data : new Uint8Array(0);
          const digest = createHash("sha256").update(data).digest("hex");
          const path = join(folder, "cache", digest);
          await writeFile(path, data);
          leases.add(leaseId);
          // Whatever way it is divided: the first file of as many as there are partitions.
          const filesPath = input?.partition === undefined ? "" : `${path}.${partitionIndex}.json`;
          const files = [{ path: `part-${partitionIndex}-of-${partitionCount}`, sizeBytes: data.length }];
          if (filesPath !== "") await writeFile(filesPath, JSON.stringify({ files, count: 1, isCut: false }));
          const sizes = { sizeBytes: BigInt(data.length), movedBytes: BigInt(data.length) };
          yield { event: { case: "ready", value: { path, digest: `sha256:${digest}`, filesPath, ...sizes } } };
        },
        getCacheState: () => ({ entries: 3, sizeBytes: 7n }),
        releaseInputs: ({ leaseId }) => {
          leases.delete(leaseId);
          return {};
        },
      }),
    { router },
  );
  const proxy = createRouterTransport(doors.routes, { router });
  const publisher = createRouterTransport(
    ({ service }) =>
      service(PublishService, {
        stageResult: async ({ executionId, folder: from }) => {
          await rename(from, resultFolder(executionId)).catch((error: NodeJS.ErrnoException) => {
            if (error.code !== "ENOENT") throw error; // Staged before.
          });
          return { cid: cidOf(executionId), sizeBytes: BigInt((await filesOf(resultFolder(executionId))).length) };
        },
        publishResult: async function* ({ executionId }) {
          if (services.isUpstreamAway) throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", "the cluster's store does not answer");
          published.add(executionId);
          yield { event: { case: "done", value: { cid: cidOf(executionId), manifestCid: cidOf(`manifest ${executionId}`) } } };
        },
        dropResult: () => ({}),
      }),
    { router },
  );
  return Object.assign(services, { fetcher: clientErrors(fetcher), proxy: clientErrors(proxy), publisher: clientErrors(publisher) });
}

/** A content id by its looks, for what is never read. */
export function cidOf(text: string): string {
  return `b${createHash("sha256")
    .update(text)
    .digest("hex")
    .replaceAll(/[0189]/gu, "z")}`;
}

/** Every file below a folder, by path, as text. */
export async function readTree(folder: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  for (const path of await filesOf(folder)) tree[path] = await readFile(join(folder, path), "utf8");
  return tree;
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
