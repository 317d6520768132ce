import { hash } from "node:crypto";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import { type LoadBlock, walkDag } from "@skrei/unixfs/read-dag.ts";
import type { DagScope } from "./gateway-request.ts";
import type { Exchange } from "./gateway-exchange.ts";
import { contentHeaders, isUnchanged, sendPieces } from "./gateway-send.ts";

/** A CAR (version 1): the blocks on the way to the target, then those that `dag-scope` names, depth first, each once. */
export async function sendCar(exchange: Exchange, wayThere: readonly ContentId[]): Promise<void> {
  const { request, response, target } = exchange;
  const etag = `W/"${[request.root.toString(), target.toString(), request.dagScope].join(".")}.car"`;
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
    yield Buffer.concat([varint(cid.bytes.length + block.length), cid.bytes]);
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
  for await (const { cid, block } of scoped(load, target, request.dagScope)) {
    if (block !== undefined && !sent.has(cid.toString())) yield carSection(cid, block);
  }
}

async function* scoped(
  load: LoadBlock,
  target: ContentId,
  scope: DagScope,
): AsyncGenerator<{ cid: ContentId; block: Uint8Array | undefined }> {
  const block = await load(target);
  const { kind } = decodeNode(target, block);
  if (scope === "all" || (scope === "entity" && kind === "file")) yield* walkDag(load, target, { loadsLeaves: true });
  else if (scope === "entity" && kind === "shard") yield* shardBlocks(load, target);
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

/** DAG-CBOR of `{roots: [root], version: 1}`, by hand: it is the only CBOR here. */
function carHeader(root: ContentId): Uint8Array {
  const roots = [0xa2, 0x65, ...Buffer.from("roots"), 0x81, 0xd8, 0x2a, 0x58, root.bytes.length + 1, 0x00, ...root.bytes];
  const header = Buffer.from([...roots, 0x67, ...Buffer.from("version"), 0x01]);
  return Buffer.concat([varint(header.length), header]);
}

function carSection(cid: ContentId, block: Uint8Array): Uint8Array {
  return Buffer.concat([varint(cid.bytes.length + block.length), cid.bytes, block]);
}

/** Unsigned LEB128. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}
