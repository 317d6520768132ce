import { carHeader, carSectionHead } from "@skrei/unixfs/car.ts";
import { parseCid, RAW_CODE } from "@skrei/unixfs/cid.ts";
import { type LoadBlock, walkDag } from "@skrei/unixfs/read-dag.ts";
import { releaseBytes } from "./release-bytes.ts";

/** A CAR (version 1) of all blocks below `root`, each once, parents first. Each piece is good until the next one is asked for. */
export async function* packCar(load: LoadBlock, root: string): AsyncGenerator<Uint8Array> {
  const cid = parseCid(root);
  yield carHeader(cid);
  for await (const { cid: below, block } of walkDag(load, cid, { loadsLeaves: true })) {
    if (block === undefined) continue;
    yield carSectionHead(below, block.length);
    yield block;
    // Of others the links are still to be read.
    if (below.code === RAW_CODE) releaseBytes(block);
  }
}
