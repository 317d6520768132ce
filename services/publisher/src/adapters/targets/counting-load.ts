import { RAW_CODE } from "@skrei/unixfs/cid.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";

/** Counts the bytes of files as their blocks are taken. */
export function countingLoad(load: LoadBlock, onProgress: (bytesDone: number) => void): LoadBlock {
  let bytesDone = 0;
  return async (cid) => {
    const block = await load(cid);
    if (cid.code === RAW_CODE) onProgress((bytesDone += block.length));
    return block;
  };
}
