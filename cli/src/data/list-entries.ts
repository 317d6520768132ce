import { type ContentId, RAW_CODE } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";
import { NodeLoader } from "../transfer/node-loader.ts";
import type { OpenData } from "./open-data.ts";

export interface DataEntry {
  readonly name: string;
  readonly kind: "file" | "folder" | "symlink";
  /** Bytes of a file; of a folder, what its blocks claim to need. */
  readonly sizeBytes: number;
  readonly cid: string;
}

/** What is in an open folder, or the one file or link that is open; blocks are verified, and no file's bytes are fetched. */
export async function* listEntries({
  source,
  cid,
  kind,
  name,
  sizeBytes,
}: Pick<OpenData, "source" | "cid" | "kind" | "name" | "sizeBytes">): AsyncGenerator<DataEntry> {
  if (kind !== "folder") {
    yield { name, kind, sizeBytes, cid: cid.toString() };
    return;
  }
  // Nodes of the entries come along with that of the folder, many at once.
  const nodes = new NodeLoader(source, { readsAhead: true });
  for await (const link of listFolder(nodes.load, cid)) {
    await nodes.rest();
    yield { name: link.name, cid: link.cid.toString(), ...(await describe(nodes, link.cid, link.dagBytes)) };
  }
}

async function describe(nodes: NodeLoader, cid: ContentId, dagBytes: number): Promise<Pick<DataEntry, "kind" | "sizeBytes">> {
  if (cid.code === RAW_CODE) return { kind: "file", sizeBytes: dagBytes };
  const node = decodeNode(cid, await nodes.load(cid));
  if (node.kind === "file") return { kind: "file", sizeBytes: node.sizeBytes };
  return node.kind === "symlink" ? { kind: "symlink", sizeBytes: Buffer.byteLength(node.target) } : { kind: "folder", sizeBytes: dagBytes };
}
