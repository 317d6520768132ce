import { createHash, hash } from "node:crypto";
import { car } from "@helia/car";
import { fallbackRouter } from "@helia/fallback-router";
import { trustlessGatewayBlockBroker } from "@helia/trustless-gateway-client";
import { unixfs, type UnixFS } from "@helia/unixfs";
import { CarReader } from "@ipld/car";
import { defaultLogger } from "birnam";
import { CID } from "multiformats/cid";

/** Gets a block, hashed against its id. */
type GetBlock = (cid: CID) => Promise<Uint8Array>;

/** Reads content by Helia, an IPFS implementation that knows nothing of ours. */
export interface HeliaReader {
  /** By path: the SHA-256 of each file's bytes, `-> target` of each link, `/` of each folder. */
  list(root: string): Promise<ReadonlyMap<string, string>>;
  /** Blocks that were read so far. */
  readonly blocks: number;
}

/** Block by block from a trustless gateway, through Helia's own client. `token` is sent as bearer token. */
export function heliaOverGateway(gatewayUrl: string, token: string): HeliaReader {
  const broker = trustlessGatewayBlockBroker({
    allowInsecure: true,
    allowLocal: true,
    transformRequestInit: (init) => {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${token}`);
      return { ...init, headers };
    },
  })({ logger: defaultLogger(), routing: fallbackRouter({ gateways: [gatewayUrl] }) as never });
  return readerOver(async (cid) => {
    const block = await broker.retrieve?.(cid, { validateFn: async (bytes) => checkHash(cid, bytes) });
    return block ?? new Uint8Array();
  });
}

/** From a CAR, read by `@ipld/car` and taken in by Helia. */
export async function heliaOverCar(pieces: AsyncIterable<Uint8Array>): Promise<HeliaReader & { readonly roots: readonly string[] }> {
  const kept = new Map<string, Uint8Array>();
  const reader = await CarReader.fromIterable(pieces);
  const putMany = async function* (blocks: AsyncIterable<{ cid: CID; bytes: Uint8Array }>): AsyncGenerator<CID> {
    for await (const { cid, bytes } of blocks) {
      checkHash(cid, bytes);
      kept.set(cid.toString(), bytes);
      yield cid;
    }
  };
  await car({ blockstore: { putMany }, logger: defaultLogger() } as never).import(reader);
  const roots = (await reader.getRoots()).map(String);
  return Object.assign(
    readerOver(async (cid) => kept.get(cid.toString()) ?? Promise.reject(new Error(`the CAR lacks ${cid.toString()}`))),
    { roots },
  );
}

function readerOver(get: GetBlock): HeliaReader {
  let blocks = 0;
  const blockstore = {
    async *get(cid: CID) {
      blocks += 1;
      yield await get(cid);
    },
  };
  const fs = unixfs({ blockstore } as never);
  return {
    get blocks() {
      return blocks;
    },
    list: async (root) => {
      const found = new Map<string, string>();
      await list(fs, { folder: CID.parse(root), path: "", found });
      return found;
    },
  };
}

async function list(fs: UnixFS, { folder, path, found }: { folder: CID; path: string; found: Map<string, string> }): Promise<void> {
  for await (const { name, cid } of fs.ls(folder)) {
    const below = `${path}/${name}`;
    const status = await fs.stat(cid);
    const node = "unixfs" in status ? status.unixfs : undefined;
    if (status.type === "directory") {
      found.set(below, "/");
      await list(fs, { folder: cid, path: below, found });
    } else if (node?.type === "symlink") found.set(below, `-> ${Buffer.from(node.data ?? []).toString()}`);
    else found.set(below, await digestOf(fs.cat(cid)));
  }
}

async function digestOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const sha256 = createHash("sha256");
  for await (const piece of pieces) sha256.update(piece);
  return sha256.digest("hex");
}

function checkHash(cid: CID, bytes: Uint8Array): void {
  if (Buffer.compare(hash("sha256", bytes, "buffer"), cid.multihash.digest) !== 0)
    throw new Error(`the block of ${cid.toString()} has another hash`);
}
