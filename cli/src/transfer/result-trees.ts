import { DomainError } from "@skrei/domain";
import type { Result } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import { type ContentId, parseCid } from "@skrei/unixfs/cid.ts";
import { dagBytesOf } from "@skrei/unixfs/node.ts";
import { findEntry, isSafeName, listFolder } from "@skrei/unixfs/read-folder.ts";
import type { BlockSource } from "./block-source.ts";
import { NodeLoader } from "./node-loader.ts";

/** A tree of a result and where it goes. */
export interface ResultTree {
  readonly source: BlockSource;
  readonly root: ContentId;
  /** Names below the target folder; empty for that itself. */
  readonly place: readonly string[];
  /** Before anything of it is read; of one output it is what the folder above claims. */
  readonly sizeBytes: number;
}

export interface TreeChoice {
  readonly result: Result;
  readonly source: BlockSource;
  /** The folder of the part; none when the job has but one. */
  readonly folder: readonly string[];
  /** Only these; empty for the whole result. */
  readonly outputs: readonly string[];
}

/** The whole result, or each output that is asked for, found with no more than the blocks on the way to it. */
export async function treesOf({ result, source, folder, outputs }: TreeChoice): Promise<readonly ResultTree[]> {
  const root = parseCid(result.cid);
  if (outputs.length === 0) return [{ source, root, place: folder, sizeBytes: Number(result.sizeBytes) }];
  const { load } = new NodeLoader(source, { readsAhead: false });
  const above = await findEntry(load, root, "outputs");
  const trees: ResultTree[] = [];
  for (const name of new Set(outputs)) {
    const found = above !== undefined && isSafeName(name) ? await findEntry(load, above, name) : undefined;
    if (found === undefined) throw await noSuchOutput(load, above, name);
    trees.push({ source, root: found, place: [...folder, name], sizeBytes: dagBytesOf(found, await load(found)) });
  }
  return trees;
}

async function noSuchOutput(load: NodeLoader["load"], above: ContentId | undefined, name: string): Promise<DomainError> {
  const names: string[] = [];
  if (above !== undefined) for await (const entry of listFolder(load, above)) names.push(entry.name);
  return new DomainError("notFound", "RESULT_NOT_FOUND", `The result has no output "${name}".`, {
    hint: names.length === 0 ? "It has no outputs at all." : `Its outputs: ${names.join(", ")}.`,
  });
}
