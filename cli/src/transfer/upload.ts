import { open } from "node:fs/promises";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Client, Interceptor } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { isBlockOf, parseCid } from "@skrei/unixfs/cid.ts";
import { filesOf } from "../output/count-of.ts";
import { say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import type { Session } from "../session.ts";
import { scanUpload } from "./scan-upload.ts";
import type { BlockPlace, ScannedUpload } from "./scan-upload.ts";

const CIDS_PER_QUESTION = 10_000;
/** Under the service's 4 MiB a message, ids and framing included. */
const BATCH_BYTES_MAX = 3 * 1024 * 1024;

/** Puts a file or folder of this machine into the cluster's content store and gives its content id. Sends only what is missing there. */
export async function uploadPath(session: Session, path: string, { isQuiet }: { readonly isQuiet: boolean }): Promise<string> {
  const scanned = await scanUpload(path, session.signal);
  const cid = scanned.root.cid.toString();
  for (const skipped of scanned.skippedPaths)
    await say(session.terminal, `note: ${skipped} is no file, folder or link with a name in UTF-8 and is left out`);
  const link = await session.cluster.results.createUploadLink({ cid, sizeBytes: BigInt(scanned.root.sizeBytes) });
  const blocks = createClient(
    BlockService,
    createConnectTransport({ baseUrl: link.url, httpVersion: "1.1", interceptors: [authorizing(link.token)] }),
  );
  const sentBytes = await sendMissing(blocks, scanned, session.signal);
  await blocks.pinRoot({ cid, owner: "upload" }, { signal: session.signal });
  if (isQuiet) return cid;
  await say(
    session.terminal,
    `  ✓ input     ${path}: ${filesOf(scanned.files)}, ${formatBytes(scanned.root.sizeBytes)}, ${sentBytes === 0 ? "all there already" : `${formatBytes(sentBytes)} sent`}`,
  );
  return cid;
}

async function sendMissing(blocks: Client<typeof BlockService>, scanned: ScannedUpload, signal: AbortSignal): Promise<number> {
  const cids = [...scanned.blocks.keys()];
  let sentBytes = 0;
  for (let start = 0; start < cids.length; start += CIDS_PER_QUESTION) {
    const { missingCids } = await blocks.findMissingBlocks({ cids: cids.slice(start, start + CIDS_PER_QUESTION) }, { signal });
    let batch: { cid: string; data: Uint8Array }[] = [];
    let batchBytes = 0;
    const flush = async (): Promise<void> => {
      if (batch.length > 0) await blocks.putBlocks({ blocks: batch }, { signal });
      sentBytes += batchBytes;
      batch = [];
      batchBytes = 0;
    };
    for (const cid of missingCids) {
      const place = scanned.blocks.get(cid);
      if (place === undefined) continue;
      const data = await readBlock(cid, place);
      if (batchBytes + data.length > BATCH_BYTES_MAX) await flush();
      batch.push({ cid, data });
      batchBytes += data.length;
    }
    await flush();
  }
  return sentBytes;
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
