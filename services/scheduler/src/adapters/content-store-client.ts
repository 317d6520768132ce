import type { CallOptions, Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { pinFromProto, storeStateFromProto } from "@skrei/wire/data-state.ts";
import type { ContentStorePort } from "../ports.ts";

/** The cluster's publisher, called with the cluster's own token. Every call ends: a store that hangs is a store that is away. */
export function createContentStoreClient(transport: Transport, token: string): ContentStorePort {
  const store = createClient(StoreService, transport);
  const blocks = createClient(BlockService, transport);
  const options = (signal: AbortSignal, timeoutMs = CALL_TIMEOUT_MS): CallOptions => ({
    headers: { authorization: `Bearer ${token}` },
    signal,
    timeoutMs,
  });
  return {
    pins: async (query, signal) => {
      const { pins, nextPageToken } = await reached(store.listPins(query, options(signal)), signal);
      return { pins: pins.map(pinFromProto), nextPageToken };
    },
    pin: async ({ cid, owner, expiresAtMs = 0 }, signal) =>
      void (await reached(blocks.pinRoot({ cid, owner, expireTimeMs: BigInt(expiresAtMs) }, options(signal, PIN_TIMEOUT_MS)), signal)),
    extend: async (owners, expiresAtMs, signal) =>
      void (await reached(store.extendPins({ owners: [...owners], expireTimeMs: BigInt(expiresAtMs) }, options(signal)), signal)),
    unpin: async (owners, signal) => void (await reached(store.unpin({ owners: [...owners] }, options(signal)), signal)),
    collectGarbage: async ({ isDryRun }, signal) => {
      const {
        pins,
        blocks: gone,
        sizeBytes,
      } = await reached(store.collectGarbage({ dryRun: isDryRun }, options(signal, COLLECT_TIMEOUT_MS)), signal);
      return { pins, blocks: Number(gone), sizeBytes: Number(sizeBytes) };
    },
    state: async (signal) => storeStateFromProto(await reached(store.getStoreState({}, options(signal)), signal)),
  };
}

async function reached<T>(call: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await call;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DomainError && !AWAY_KINDS.includes(error.kind)) throw error;
    throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", "The cluster's content store does not answer.", {
      hint: "Try again when its publisher runs; nothing was changed by this scheduler.",
      cause: error,
    });
  }
}

/** A wrong token is the operator's mistake on this side; to a user the store is away. */
const AWAY_KINDS: readonly string[] = ["unavailable", "timeout", "unauthenticated"];
const CALL_TIMEOUT_MS = 10_000;
/** Every block below the root is looked for. */
const PIN_TIMEOUT_MS = 60_000;
/** A store of millions of blocks is walked. */
const COLLECT_TIMEOUT_MS = 300_000;
