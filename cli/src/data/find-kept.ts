import { DomainError } from "@skrei/domain";
import { KeptData_Kind } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { KeptData } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { Session } from "../session.ts";
import type { DataReference } from "./data-reference.ts";

const PAGE_SIZE = 1_000;
const NAMES_SHOWN = 5;

export interface FoundData {
  readonly cid: string;
  /** Every reason why it is kept; at least one. */
  readonly kept: readonly KeptData[];
}

/** What the cluster keeps of a root. @throws DomainError notFound/RESULT_NOT_FOUND. */
export async function findKept(session: Session, root: DataReference["root"]): Promise<FoundData> {
  const cid = "cid" in root ? root.cid : await cidOfName(session, root.name);
  const kept = await listKept(session, { cid, kind: KeptData_Kind.UNSPECIFIED });
  if (kept.length > 0) return { cid, kept };
  // Manifests are listed only when they are asked for.
  const manifests = await listKept(session, { cid, kind: KeptData_Kind.MANIFEST });
  if (manifests.length > 0) return { cid, kept: manifests };
  throw new DomainError("notFound", "RESULT_NOT_FOUND", `The cluster keeps nothing under the content id ${cid}.`, {
    hint: "What it keeps: skrei data ls. To put something there: skrei data put PATH.",
  });
}

/** All pages. */
export async function listKept(
  session: Session,
  query: { readonly cid: string; readonly kind: KeptData_Kind },
): Promise<readonly KeptData[]> {
  const kept: KeptData[] = [];
  let pageToken = "";
  do {
    const page = await session.cluster.data.listData({ ...query, pageSize: PAGE_SIZE, pageToken }, { signal: session.signal });
    kept.push(...page.data);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return kept;
}

async function cidOfName(session: Session, name: string): Promise<string> {
  const pins = await listKept(session, { cid: "", kind: KeptData_Kind.PIN });
  const pin = pins.find((candidate) => candidate.name === name);
  if (pin !== undefined) return pin.cid;
  const names = pins.slice(0, NAMES_SHOWN).map((candidate) => candidate.name);
  throw new DomainError("notFound", "RESULT_NOT_FOUND", `No data is kept under the name "${name}".`, {
    hint:
      names.length === 0 ? "To name some: skrei data pin CID --name NAME." : `Names: ${names.join(", ")}; all: skrei data ls --kind pin.`,
  });
}
