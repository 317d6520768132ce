import { open } from "node:fs/promises";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Client, Interceptor } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { CreateUploadLinkResponse } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { isBlockOf, parseCid } from "@skrei/unixfs/cid.ts";
import { isConnectionLost } from "../client/call-error.ts";
import { cleanLine } from "../output/clean-text.ts";
import { filesOf } from "../output/count-of.ts";
import { say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import type { Session } from "../session.ts";
import { inParallel } from "./in-parallel.ts";
import { pause } from "./pause.ts";
import { scanUpload } from "./scan-upload.ts";
import type { BlockPlace, ScannedUpload } from "./scan-upload.ts";
import { createReadProgress, createTransferProgress } from "./transfer-progress.ts";
import { sizeOfPlace, type UploadBatch, uploadBatches } from "./upload-batches.ts";

const CIDS_PER_QUESTION = 10_000;
/** Messages on the way at once; each is in memory. */
const BATCHES_MAX = 3;
/** Files open at once for each of them; a machine may permit 256 in all. */
const READS_MAX = 16;
const TRIES_MAX = 6;
const BACKOFF_MS = 250;
const SKIPPED_SHOWN = 20;

export interface UploadedPath {
  readonly cid: string;
  readonly files: number;
  readonly sizeBytes: number;
  /** What the store did not have. */
  readonly sentBytes: number;
  readonly skippedPaths: readonly string[];
}

export interface UploadOptions {
  /** No word on stderr. */
  readonly isQuiet: boolean;
}

/** Puts an input of a job into the cluster's content store and gives its content id. */
export async function uploadPath(session: Session, path: string, options: UploadOptions): Promise<string> {
  const uploaded = await putPath(session, path, options);
  if (!options.isQuiet) await say(session.terminal, `  ✓ input     ${describeUpload(path, uploaded)}`);
  return uploaded.cid;
}

/** Puts a file or folder of this machine into the cluster's content store. Sends only what is missing there. */
export async function putPath(session: Session, path: string, { isQuiet }: UploadOptions): Promise<UploadedPath> {
  const scanned = await scan(session, path, isQuiet);
  const cid = scanned.root.cid.toString();
  if (!isQuiet) await saySkipped(session, scanned.skippedPaths);
  const link = await session.cluster.results.createUploadLink({ cid, sizeBytes: BigInt(scanned.root.sizeBytes) });
  const blocks = createClient(
    BlockService,
    createConnectTransport({ baseUrl: link.url, httpVersion: "1.1", interceptors: [authorizing(link.token)] }),
  );
  const missing = await findMissing(blocks, scanned, session.signal);
  const sentBytes = await sendMissing(session, blocks, { scanned, missing, isQuiet });
  await blocks.pinRoot({ cid, owner: "upload", expireTimeMs: BigInt(pinEndOf(link)) }, { signal: session.signal });
  const { files, root, skippedPaths } = scanned;
  return { cid, files, sizeBytes: root.sizeBytes, sentBytes, skippedPaths };
}

/** A cluster of an earlier version names no end. */
function pinEndOf({ pinExpireTime }: CreateUploadLinkResponse): number {
  return pinExpireTime === undefined ? 0 : Math.trunc(timestampMs(pinExpireTime));
}

/** `./data: 3 files, 1.2MB, 800kB sent`. */
export function describeUpload(path: string, { files, sizeBytes, sentBytes }: UploadedPath): string {
  const sent = sentBytes === 0 ? "all there already, nothing sent" : `${formatBytes(sentBytes)} sent`;
  return cleanLine(`${path}: ${filesOf(files)}, ${formatBytes(sizeBytes)}, ${sent}`);
}

async function scan({ terminal, signal }: Session, path: string, isQuiet: boolean): Promise<ScannedUpload> {
  const progress = isQuiet ? undefined : createReadProgress(terminal.stderr);
  try {
    return await scanUpload(path, signal, (sizeBytes) => progress?.add(sizeBytes));
  } finally {
    await progress?.clear();
  }
}

async function saySkipped({ terminal }: Session, paths: readonly string[]): Promise<void> {
  for (const path of paths.slice(0, SKIPPED_SHOWN))
    await say(terminal, `note: ${cleanLine(path)} is no file, folder or link with a name in UTF-8 and is left out`);
  if (paths.length > SKIPPED_SHOWN) await say(terminal, `note: and ${paths.length - SKIPPED_SHOWN} more`);
}

async function findMissing(blocks: Client<typeof BlockService>, scanned: ScannedUpload, signal: AbortSignal): Promise<readonly string[]> {
  const cids = [...scanned.blocks.keys()];
  const missing: string[] = [];
  for (let start = 0; start < cids.length; start += CIDS_PER_QUESTION) {
    const asked = cids.slice(start, start + CIDS_PER_QUESTION);
    const { missingCids } = await again(signal, () => blocks.findMissingBlocks({ cids: asked }, { signal }));
    missing.push(...missingCids);
  }
  return missing.filter((cid) => scanned.blocks.has(cid));
}

async function sendMissing(
  { terminal, signal }: Session,
  blocks: Client<typeof BlockService>,
  { scanned, missing, isQuiet }: { readonly scanned: ScannedUpload; readonly missing: readonly string[]; readonly isQuiet: boolean },
): Promise<number> {
  const totalBytes = missing.reduce((sum, cid) => sum + sizeOfPlace(scanned.blocks.get(cid)), 0);
  const progress = isQuiet ? undefined : createTransferProgress(terminal.stderr, totalBytes);
  try {
    await inParallel(uploadBatches(scanned, missing), BATCHES_MAX, async (batch) => {
      const sent = await readBlocks(batch);
      await again(signal, () => blocks.putBlocks({ blocks: sent }, { signal }));
      progress?.add(sent.reduce((sum, { data }) => sum + data.length, 0));
    });
  } finally {
    await progress?.clear();
  }
  return totalBytes;
}

/** Blocks that are there already are taken twice, so any of these calls may be repeated. */
async function again<Answer>(signal: AbortSignal, call: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (signal.aborted || tries >= TRIES_MAX || !isConnectionLost(error)) throw error;
      await pause(BACKOFF_MS * 2 ** (tries - 1), signal);
    }
  }
}

async function readBlocks(batch: UploadBatch): Promise<{ cid: string; data: Uint8Array }[]> {
  const read: { cid: string; data: Uint8Array }[] = [];
  await inParallel(batch.entries(), READS_MAX, async ([index, [cid, place]]) => {
    read[index] = { cid, data: await readBlock(cid, place) };
  });
  return read;
}

async function readBlock(cid: string, place: BlockPlace): Promise<Uint8Array> {
  if ("block" in place) return place.block;
  await using file = await open(place.path);
  const data = new Uint8Array(place.sizeBytes);
  const { bytesRead } = await file.read(data, 0, place.sizeBytes, place.offset);
  if (bytesRead !== place.sizeBytes || !isBlockOf(parseCid(cid), data))
    throw new DomainError("invalid", "SOURCE_DIGEST_MISMATCH", `${place.path} changed while it was sent.`, {
      hint: "Run the command again when nothing writes to the file.",
    });
  return data;
}

function authorizing(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
