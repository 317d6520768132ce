import { exporter, type UnixFSDirectory } from "ipfs-unixfs-exporter";
import { CID } from "multiformats/cid";
import { factOf, type TreeFacts } from "./tree-facts.ts";

/** Reads a folder out of blocks, with IPFS' own reader. */
export async function factsOfBlocks(root: string, blocks: ReadonlyMap<string, Uint8Array>): Promise<TreeFacts> {
  const store = {
    async *get(cid: CID): AsyncGenerator<Uint8Array> {
      const block = blocks.get(cid.toString());
      if (block === undefined) throw new Error(`block ${cid.toString()} is missing`);
      yield await Promise.resolve(block);
    },
  };
  const facts: Record<string, string> = {};
  const read = async (folder: UnixFSDirectory, above: string): Promise<void> => {
    for await (const { name, cid } of folder.entries()) {
      const entry = await exporter(cid, store);
      const path = above === "" ? name : `${above}/${name}`;
      if (entry.type === "directory") {
        facts[path] = "folder";
        await read(entry, path);
      } else if (entry.type === "file" && entry.unixfs.type === "symlink") {
        facts[path] = `link to ${Buffer.from(entry.unixfs.data ?? []).toString()}`;
      } else if (entry.type === "file" || entry.type === "raw") {
        const pieces: Uint8Array[] = [];
        for await (const piece of entry.content()) pieces.push(piece);
        facts[path] = factOf(Buffer.concat(pieces));
      }
    }
  };
  const folder = await exporter(CID.parse(root), store);
  if (folder.type !== "directory") throw new Error(`${root} is no folder`);
  await read(folder, "");
  return facts;
}
