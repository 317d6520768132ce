import type { Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors } from "@skrei/platform/error-interceptor.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { UpstreamStore } from "../ports.ts";

/** The cluster's BlockService. Calls end after `timeoutMs`; a service that does not answer is UPSTREAM_UNAVAILABLE. */
export function createUpstreamStore(
  transport: Transport,
  { token, timeoutMs }: { readonly token: string; readonly timeoutMs: number },
): UpstreamStore {
  const client = createClient(BlockService, clientErrors(transport));
  const options = (signal: AbortSignal): { headers: Record<string, string>; signal: AbortSignal; timeoutMs: number } => ({
    headers: { authorization: `Bearer ${token}` },
    signal,
    timeoutMs,
  });
  return {
    missing: async (cids, signal) => (await reached(client.findMissingBlocks({ cids: [...cids] }, options(signal)))).missingCids,
    put: async (blocks, signal) =>
      void (await reached(
        client.putBlocks({ blocks: blocks.map(({ cid, data }) => ({ cid, data: data as Uint8Array<ArrayBuffer> })) }, options(signal)),
      )),
    pin: async (cid, owner, signal) => void (await reached(client.pinRoot({ cid, owner }, options(signal)))),
  };
}

async function reached<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    const isAway = error instanceof DomainError && (error.kind === "unavailable" || error.kind === "timeout");
    if (!isAway) throw error;
    throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", "The cluster's content store does not answer.", {
      hint: "Nothing is lost; publish again later.",
      cause: error,
    });
  }
}
