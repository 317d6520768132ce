import type { Transport } from "@connectrpc/connect";
import { DomainError, LIMITS } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { signLink } from "@skrei/platform/signed-link.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { verifyBlock } from "@skrei/unixfs/cid.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import type { SchedulerApiDeps } from "./deps.ts";

/**
 * Reads blocks below `root` from the cluster's publisher and verifies each: through its gateway with a link of our own, or through
 * `publisherTransport` where there is no gateway. Undefined when this scheduler knows no publisher.
 */
export function publishedBlocks(deps: SchedulerApiDeps, root: string, signal: AbortSignal): LoadBlock | undefined {
  const { config, clock, publisherTransport } = deps;
  if (config.publisherUrl !== "" && config.linkSecret !== "") {
    const token = signLink({ key: config.linkSecret, purpose: "download", cid: root, expiresAtMs: clock.nowMs() + LINK_LIFE_MS });
    return verified(gatewayLoader(config.publisherUrl, token, signal));
  }
  return publisherTransport === undefined ? undefined : verified(transportLoader(publisherTransport(), signal));
}

function verified(load: LoadBlock): LoadBlock {
  return async (cid) => {
    const block = await load(cid);
    verifyBlock(cid, block);
    return block;
  };
}

function gatewayLoader(publisherUrl: string, token: string, signal: AbortSignal): LoadBlock {
  return async (cid) => {
    const url = `${publisherUrl.replace(/\/+$/u, "")}/ipfs/${cid.toString()}?format=raw&token=${token}`;
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(BLOCK_TIMEOUT_MS)]), redirect: "error" });
    if (!response.ok || Number(response.headers.get("content-length") ?? 0) > LIMITS.blockBytesMax) {
      await response.body?.cancel();
      if (response.status === 404)
        throw new DomainError("notFound", "BLOCK_MISSING", `The publisher does not have block ${cid.toString()}.`);
      throw new DomainError(
        "unavailable",
        "UPSTREAM_UNAVAILABLE",
        `The publisher answered ${response.status} for block ${cid.toString()}.`,
      );
    }
    return new Uint8Array(await response.arrayBuffer());
  };
}

function transportLoader(transport: Transport, signal: AbortSignal): LoadBlock {
  const client = createClient(BlockService, transport);
  return async (cid) => {
    for await (const { block } of client.getBlocks({ cids: [cid.toString()] }, { signal, timeoutMs: BLOCK_TIMEOUT_MS })) {
      if (block !== undefined) return block.data;
    }
    throw new DomainError("notFound", "BLOCK_MISSING", `The content store sent nothing for block ${cid.toString()}.`);
  };
}

const BLOCK_TIMEOUT_MS = 30_000;
/** Output of hours is read block by block with one link. */
const LINK_LIFE_MS = 24 * 3_600_000;
