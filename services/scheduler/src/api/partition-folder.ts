import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { signLink } from "@skrei/platform/signed-link.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import type { SchedulerApiDeps } from "./deps.ts";

export interface PartitionEntry {
  /** Number of the partition. */
  readonly name: string;
  readonly cid: ContentId;
  /** Bytes of all its blocks. */
  readonly dagBytes: number;
}

/** A folder with what each partition produced; gives its content id, after it was put into the cluster's store and pinned there. */
export async function partitionFolder(
  deps: SchedulerApiDeps,
  entries: readonly PartitionEntry[],
  { keepsFolders, signal }: { readonly keepsFolders: boolean; readonly signal: AbortSignal },
): Promise<string> {
  const blocks: Block[] = [];
  const folder = buildFolderDag(
    entries.map((entry) => ({ ...entry, sizeBytes: 0 })),
    (cid, block) => void blocks.push({ cid: cid.toString(), data: Uint8Array.from(block) }),
  );
  const cid = folder.cid.toString();
  if (keepsFolders) await keep(deps, { cid, blocks, signal });
  return cid;
}

interface Block {
  readonly cid: string;
  readonly data: Uint8Array<ArrayBuffer>;
}

async function keep(
  { config, clock, publisherTransport }: SchedulerApiDeps,
  { cid, blocks, signal }: { readonly cid: string; readonly blocks: readonly Block[]; readonly signal: AbortSignal },
): Promise<void> {
  if (publisherTransport === undefined) {
    throw new DomainError(
      "precondition",
      "FEATURE_NOT_AVAILABLE",
      "This scheduler cannot store a folder of partitions: it knows no publisher.",
      {
        hint: "Set publisherUrl of the scheduler, or name one partition.",
      },
    );
  }
  const bytesMax = blocks.reduce((sum, { data }) => sum + data.length, 0);
  const token = signLink({ key: config.linkSecret, purpose: "upload", cid, expiresAtMs: clock.nowMs() + LINK_LIFE_MS, bytesMax });
  const options = { signal, timeoutMs: CALL_TIMEOUT_MS, headers: { authorization: `Bearer ${token}` } };
  const client = createClient(BlockService, publisherTransport());
  for (let at = 0; at < blocks.length; at += BLOCKS_A_CALL)
    await client.putBlocks({ blocks: blocks.slice(at, at + BLOCKS_A_CALL) }, options);
  await client.pinRoot({ cid, expireTimeMs: BigInt(clock.nowMs() + config.uploadRetentionMs) }, options);
}

const LINK_LIFE_MS = 3_600_000;
const CALL_TIMEOUT_MS = 60_000;
/** Folder blocks have at most 256 KiB each; the contract's limit for a call is 4 MiB. */
const BLOCKS_A_CALL = 16;
