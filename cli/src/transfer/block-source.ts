import { DomainError, hasReason } from "@skrei/domain";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import { CarReader, corrupt, cut, type TakeBlock } from "./car-reader.ts";
import { pause } from "./pause.ts";

/** As many as the gateway takes at once. */
export const BLOCKS_PER_FETCH_MAX = 64;

/** Where verified blocks come from. */
export interface BlockSource {
  /** Ends what waits for it. */
  readonly signal: AbortSignal;
  /** Gives each of the blocks once, verified, in any order. At most `BLOCKS_PER_FETCH_MAX`, all different. */
  fetch(cids: readonly ContentId[], take: TakeBlock): Promise<void>;
}

export interface GatewayBlocksOptions {
  /** A fresh link to the root, as the cluster signs it. */
  readonly createLink: () => Promise<string>;
  /** GatewayClient.get. */
  readonly get: (address: URL, signal: AbortSignal, push: (piece: Uint8Array) => void) => Promise<void>;
  readonly signal: AbortSignal;
  /** Tries in a row that bring nothing. */
  readonly triesMax: number;
  /** Before the second try; doubles with each. */
  readonly backoffMs: number;
  /** Hears why another try is made. */
  readonly onRetry?: (error: unknown) => void;
}

/** Blocks of one root from the gateway. What is cut goes on with the blocks that are missing; a link that ended is made anew. */
export class GatewayBlocks implements BlockSource {
  readonly signal: AbortSignal;
  readonly #options: GatewayBlocksOptions;
  /** Given on from fetch to fetch: each its own would fill memory faster than it is collected. */
  readonly #buffers: Buffer[] = [];
  #link: Promise<string> | undefined;

  constructor(options: GatewayBlocksOptions) {
    this.signal = options.signal;
    this.#options = options;
  }

  async fetch(cids: readonly ContentId[], take: TakeBlock): Promise<void> {
    const { signal, triesMax, backoffMs } = this.#options;
    const missing = new Map(cids.map((cid) => [keyOf(cid), cid]));
    for (let tries = 1; ; tries++) {
      const before = missing.size;
      try {
        return await this.#fetchOnce(missing, take);
      } catch (error) {
        signal.throwIfAborted();
        if (missing.size < before) tries = 1;
        if (!isWorthAnotherTry(error) || tries >= triesMax) throw error;
        this.#options.onRetry?.(error);
        await pause(Math.min(backoffMs * 2 ** (tries - 1), BACKOFF_MS_MAX), signal);
      }
    }
  }

  async #fetchOnce(missing: Map<string, ContentId>, take: TakeBlock): Promise<void> {
    const { get, signal } = this.#options;
    const link = (this.#link ??= this.#options.createLink());
    const reader = new CarReader((cid, bytes) => {
      if (!missing.delete(keyOf(cid))) throw corrupt(`The download has block ${cid.toString()}, which was not asked for`);
      take(cid, bytes);
    }, this.#buffers.pop());
    try {
      const address = new URL(await link);
      address.searchParams.set("format", "car");
      address.searchParams.set("blocks", [...missing.values()].join(","));
      await get(address, signal, (piece) => {
        reader.push(piece);
      });
      reader.end();
    } catch (error) {
      // Whoever comes first renews it for all.
      if (
        this.#link === link &&
        (hasReason(error, "LINK_INVALID") ||
          (await link.then(
            () => false,
            () => true,
          )))
      )
        this.#link = undefined;
      throw error;
    } finally {
      this.#buffers.push(reader.section);
    }
    if (missing.size > 0) throw cut(`The content store ended the download ${missing.size} blocks too early`);
  }
}

function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof DomainError && (error.kind === "unavailable" || error.kind === "timeout" || error.reason === "LINK_INVALID");
}

/** Cheaper than the text form, which is made anew for each block. */
export function keyOf(cid: ContentId): string {
  return Buffer.from(cid.bytes.buffer, cid.bytes.byteOffset, cid.bytes.byteLength).toString("latin1");
}

const BACKOFF_MS_MAX = 10_000;
