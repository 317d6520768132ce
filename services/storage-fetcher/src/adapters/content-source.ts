import { DomainError } from "@skrei/domain";
import { type ContentId, parseCid } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import { type LoadBlock, resolvePath } from "@skrei/unixfs/read-dag.ts";
import type { Clock, FetchTarget, SourceAdapter, SourceOf } from "../ports.ts";
import { type BlockPlaces, type BlockReader, createBlockReader } from "./block-reader.ts";
import { listDagFiles } from "./dag-files.ts";
import { divideFiles } from "./divide-files.ts";
import { exportDag, exportDagFiles } from "./export-dag.ts";
import { folderEntryOf } from "./folder-entry.ts";
import { KnownSizes } from "./known-sizes.ts";

/** Trees by content id: of the cluster's content store, and of the gateways that the operator lists. */
export function createContentSource(places: BlockPlaces, clock: Clock): SourceAdapter<"content"> {
  const sizes = new KnownSizes(clock, Infinity);
  return {
    keyOf: ({ cid, path }) => (path === "" ? keyOf(parseCid(cid)) : undefined),
    check: ({ cid }) => {
      parseCid(cid);
      if (places.cluster === undefined && places.gateways === undefined)
        throw new DomainError("invalid", "SOURCE_TYPE_UNSUPPORTED", "This node has no content store to read from.", {
          hint: "Set publisherUrl to the cluster's publisher, or list an IPFS gateway in ipfsGateways.",
        });
    },
    settle: async (source, knownKey, signal) => {
      if (knownKey !== undefined) return { type: "content", cid: knownKey.slice(KEY_PREFIX.length), path: "" };
      const cid = await find(createBlockReader(places, signal), source).catch(throwForTask);
      return { type: "content", cid: cid.toString(), path: "" };
    },
    estimate: async (source, signal) =>
      await sizes.of(`${source.cid}/${source.path}`, async () => await sizeOf(createBlockReader(places, signal), source)),
    divides: ({ by }) => by !== "lines" && by !== "bytes",
    fetch: async ({ cid }, target) => {
      const { slice, validators } = target;
      // What a content id names never changes, and no more does a part of it.
      if (slice !== undefined && validators !== undefined) return { kind: "unchanged" };
      const read = createBlockReader(places, target.signal);
      const { digest, sizeBytes } = await fetchTree(read, parseCid(cid), target).catch(throwForTask);
      return { kind: "fetched", digest, sizeBytes, validators: { etag: "", lastModified: "" } };
    },
  };
}

/** The files of the slice, or the whole when it is a single file or not divided. */
async function fetchTree(
  read: BlockReader,
  root: ContentId,
  target: FetchTarget,
): Promise<{ readonly digest: string; readonly sizeBytes: number }> {
  const files = target.slice === undefined ? undefined : await listDagFiles(loaderOf(read), root);
  if (files === undefined || target.slice === undefined) return { digest: keyOf(root), sizeBytes: await exportDag(read, root, target) };
  const mine = await divideFiles(files, target.slice, { prefix: "", signal: target.signal });
  return { digest: keyOf(folderEntryOf(mine).cid), sizeBytes: await exportDagFiles(read, mine, target) };
}

function keyOf(cid: ContentId): string {
  return KEY_PREFIX + cid.toString();
}

/** Content that makes no sense is the same on every node; a reader of results says that with other words than an input does. */
function throwForTask(error: unknown): never {
  if (error instanceof DomainError && (error.reason === "RESULT_CORRUPT" || error.reason === "CONTENT_ID_INVALID"))
    throw new DomainError("corrupt", "SOURCE_DIGEST_MISMATCH", error.message, { metadata: error.metadata, cause: error });
  throw error;
}

/** The content id of what a path names. */
async function find(read: BlockReader, { cid, path }: SourceOf<"content">): Promise<ContentId> {
  const found = await resolvePath(loaderOf(read), parseCid(cid), path === "" ? [] : path.split("/"));
  if (found !== undefined) return found;
  throw new DomainError("notFound", "SOURCE_UNREACHABLE", `There is nothing at ${JSON.stringify(path.slice(0, 256))} below ${cid}.`, {
    hint: "Check the path; links are not followed, and upper and lower case differ.",
  });
}

/** What a root claims; enough for a bid. */
async function sizeOf(read: BlockReader, source: SourceOf<"content">): Promise<number> {
  const cid = await find(read, source);
  const node = decodeNode(cid, await loaderOf(read)(cid));
  if (node.kind === "file") return node.sizeBytes;
  return node.kind === "symlink" ? 0 : node.links.reduce((sum, link) => sum + link.dagBytes, 0);
}

function loaderOf(read: BlockReader): LoadBlock {
  return async (cid) => {
    for await (const block of read([cid])) return block;
    throw new DomainError("unavailable", "SOURCE_UNREACHABLE", `Block ${cid.toString()} did not come.`);
  };
}

const KEY_PREFIX = "cid:";
