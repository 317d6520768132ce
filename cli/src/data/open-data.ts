import { DomainError } from "@skrei/domain";
import { KeptData_Kind } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { KeptData } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { type ContentId, parseCid } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import { resolvePath } from "@skrei/unixfs/read-dag.ts";
import type { Session } from "../session.ts";
import type { BlockSource } from "../transfer/block-source.ts";
import { NodeLoader } from "../transfer/node-loader.ts";
import { createGatewayClient, openGateway } from "../transfer/open-gateway.ts";
import type { DataReference } from "./data-reference.ts";
import { findKept } from "./find-kept.ts";

/** A file, folder or link that the cluster keeps, ready to be read. */
export interface OpenData extends Disposable {
  readonly source: BlockSource;
  readonly nodes: NodeLoader;
  /** What keeps its root. */
  readonly root: string;
  readonly cid: ContentId;
  /** The last part of its path, the name of its pin, or its content id. */
  readonly name: string;
  readonly kind: "file" | "folder" | "symlink";
  /** Bytes of a file; of a folder what its blocks claim to need, or what the store counts for a root. */
  readonly sizeBytes: number;
  readonly kept: readonly KeptData[];
}

/** Finds what a reference means, with no more than the blocks on the way to it. @throws DomainError notFound/RESULT_NOT_FOUND. */
export async function openData(
  session: Session,
  { root, path }: DataReference,
  { isQuiet = false }: { readonly isQuiet?: boolean } = {},
): Promise<OpenData> {
  const found = await findKept(session, root);
  using stack = new DisposableStack();
  const client = stack.use(createGatewayClient());
  const source = openGateway(session, client, { jobId: jobOf(found.kept), cid: found.cid, isQuiet });
  const nodes = new NodeLoader(source, { readsAhead: false });
  const cid = await resolvePath(nodes.load, parseCid(found.cid), path);
  if (cid === undefined)
    throw new DomainError("notFound", "RESULT_NOT_FOUND", `There is no ${path.join("/")} in ${found.cid}.`, {
      hint: `What is there: skrei data ls ${[found.cid, ...path.slice(0, -1)].join("/")}`,
    });
  const node = decodeNode(cid, await nodes.load(cid));
  const owned = stack.move();
  return {
    source,
    nodes,
    root: found.cid,
    cid,
    name: path.at(-1) ?? ("name" in root ? root.name : cid.toString()),
    kind: node.kind === "shard" ? "folder" : node.kind,
    sizeBytes: node.kind === "file" ? node.sizeBytes : Number(found.kept[0]?.sizeBytes ?? 0n),
    kept: found.kept,
    [Symbol.dispose]: () => {
      owned.dispose();
    },
  };
}

/** A link to a result is given for its job; uploads and pins need none. */
function jobOf(kept: readonly KeptData[]): string {
  const isFree = kept.some(({ kind }) => kind === KeptData_Kind.UPLOAD || kind === KeptData_Kind.PIN);
  return isFree ? "" : (kept.find(({ jobId }) => jobId !== "")?.jobId ?? "");
}
