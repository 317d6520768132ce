import { carHeader, carSectionHead } from "@skrei/unixfs/car.ts";
import { parseCid } from "@skrei/unixfs/cid.ts";
import { type LoadBlock, walkDag } from "@skrei/unixfs/read-dag.ts";

/** A CAR (version 1) of all blocks below `root`, each once, parents first. */
export async function* packCar(load: LoadBlock, root: string): AsyncGenerator<Uint8Array> {
  const cid = parseCid(root);
  yield carHeader(cid);
  for await (const { cid: below, block } of walkDag(load, cid, { loadsLeaves: true })) {
    if (block === undefined) continue;
    yield carSectionHead(below, block.length);
    yield block;
  }
}
