import { hash } from "node:crypto";
import { carHeader, carSectionHead } from "@skrei/unixfs/car.ts";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import { type LoadBlock, walkDag, walkFile } from "@skrei/unixfs/read-dag.ts";
import { parseEntityBytes } from "../domain/byte-range.ts";
import type { Exchange } from "./gateway-exchange.ts";
import type { GatewayRequest } from "./gateway-request.ts";
import { contentHeaders, isUnchanged, sendPieces } from "./gateway-send.ts";

/** A CAR (version 1): the blocks on the way to the target, then those that `dag-scope` names, depth first, each once. */
export async function sendCar(exchange: Exchange, wayThere: readonly ContentId[]): Promise<void> {
  const { request, response, target } = exchange;
  const etag = `W/"${[request.root.toString(), target.toString(), request.dagScope, request.entityBytes].filter(Boolean).join(".")}.car"`;
  if (isUnchanged(exchange, etag)) return;
  const headers = { "content-disposition": `attachment; filename="${target.toString()}.car"` };
  response.writeHead(200, contentHeaders(etag, "application/vnd.ipld.car; version=1; order=dfs; dups=n", headers));
  if (request.isHead) response.end();
  else await sendPieces(response, carPieces(exchange, wayThere));
}

/**
 * A CAR of exactly the blocks that were asked for, in that order: a reader that has most of a DAG asks for the rest. The first is
 * read before the answer begins, so that what is missing or damaged has a reason and not only a cut connection.
 */
export async function sendBlocks({ request, response, load }: Exchange): Promise<void> {
  const [first] = request.blocks;
  if (first === undefined) return;
  const block = await load(first);
  response.writeHead(200, contentHeaders(`W/"${blocksTag(request.blocks)}.car"`, "application/vnd.ipld.car; version=1; order=unk; dups=n"));
  if (request.isHead) response.end();
  else await sendPieces(response, blockPieces({ request, load }, block));
}

async function* blockPieces({ request, load }: Pick<Exchange, "request" | "load">, first: Uint8Array): AsyncGenerator<Uint8Array> {
  yield carHeader(request.root);
  for (const [index, cid] of request.blocks.entries()) {
    const block = index === 0 ? first : await load(cid);
    // Apart from its head, so that a block of 1 MiB is not copied once more.
    yield carSectionHead(cid, block.length);
    yield block;
  }
}

function blocksTag(blocks: readonly ContentId[]): string {
  return hash("sha256", blocks.map((cid) => cid.toString()).join(","));
}

async function* carPieces({ request, load, target }: Exchange, wayThere: readonly ContentId[]): AsyncGenerator<Uint8Array> {
  yield carHeader(request.root);
  const sent = new Set<string>();
  for (const cid of wayThere) {
    sent.add(cid.toString());
    yield carSection(cid, await load(cid));
  }
  for await (const { cid, block } of scoped(load, target, request)) {
    if (block !== undefined && !sent.has(cid.toString())) yield carSection(cid, block);
  }
}

async function* scoped(
  load: LoadBlock,
  target: ContentId,
  { dagScope, entityBytes }: GatewayRequest,
): AsyncGenerator<{ cid: ContentId; block: Uint8Array | undefined }> {
  const block = await load(target);
  const node = decodeNode(target, block);
  const isEntity = dagScope === "entity";
  const range = isEntity && node.kind === "file" ? parseEntityBytes(entityBytes, node.sizeBytes) : undefined;
  if (range !== undefined) yield* walkFile(load, target, range);
  else if (dagScope === "all" || (isEntity && node.kind === "file")) yield* walkDag(load, target, { loadsLeaves: true });
  else if (isEntity && node.kind === "shard") yield* shardBlocks(load, target);
  else yield { cid: target, block };
}

/** A sharded folder without what it holds. */
async function* shardBlocks(load: LoadBlock, cid: ContentId): AsyncGenerator<{ cid: ContentId; block: Uint8Array }> {
  const block = await load(cid);
  yield { cid, block };
  const node = decodeNode(cid, block);
  if (node.kind !== "shard") return;
  for (const link of node.links) if (link.name.length === node.prefixLength) yield* shardBlocks(load, link.cid);
}

function carSection(cid: ContentId, block: Uint8Array): Uint8Array {
  return Buffer.concat([carSectionHead(cid, block.length), block]);
}
