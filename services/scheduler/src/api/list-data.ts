import { create } from "@bufbuild/protobuf";
import { contentIdRule, DomainError } from "@skrei/domain";
import type { Pin } from "@skrei/domain";
import { KeptData_Kind, ListDataResponseSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { ListDataRequest, ListDataResponse } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { contentStoreOf } from "./content-store-of.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { isKept, keptDataOf, kindOf } from "./kept-data.ts";
import { cursorOf, pageSizeOf, pageTokenFor } from "./page.ts";

/** What the content store keeps, in its order. A page is filled from several of the store's, for those hold all kinds. */
export async function listData(deps: SchedulerApiDeps, request: ListDataRequest, signal: AbortSignal): Promise<ListDataResponse> {
  const { kind, cid } = request;
  const ownerPrefix = ownerPrefixOf(kind);
  if (cid !== "") checkContentId(cid);
  const limit = pageSizeOf(request.pageSize);
  const scope = ["data", String(kind), cid];
  const contentStore = contentStoreOf(deps);
  const wanted: Pin[] = [];
  let pageToken = cursorOf(scope, request.pageToken, String) ?? "";
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const query = { ownerPrefix, cid, pageSize: limit - wanted.length, pageToken };
    const page = await contentStore.pins(query, signal);
    wanted.push(...page.pins.filter((pin) => isKept(pin, deps.clock.nowMs()) && isWanted(pin, kind)));
    pageToken = page.nextPageToken;
    if (pageToken === "" || wanted.length >= limit) break;
  }
  return create(ListDataResponseSchema, {
    data: await keptDataOf(deps.store, wanted),
    nextPageToken: pageToken === "" ? "" : pageTokenFor(scope, pageToken),
  });
}

/** @throws DomainError invalid/CONTENT_ID_INVALID. */
export function checkContentId(cid: string): void {
  const allowed = contentIdRule(cid);
  if (allowed === undefined) return;
  throw new DomainError("invalid", "CONTENT_ID_INVALID", `cid is "${cid.slice(0, 128)}"; allowed is ${allowed}.`);
}

function isWanted(pin: Pin, kind: KeptData_Kind): boolean {
  const own = kindOf(pin);
  return kind === KeptData_Kind.UNSPECIFIED ? own !== KeptData_Kind.MANIFEST : own === kind;
}

function ownerPrefixOf(kind: KeptData_Kind): string {
  const prefix = OWNER_PREFIXES.get(kind);
  if (prefix !== undefined) return prefix;
  throw new DomainError("invalid", "FIELD_INVALID", `kind is ${String(kind)}; allowed are RESULT, MANIFEST, UPLOAD, PIN, or nothing.`);
}

const OWNER_PREFIXES: ReadonlyMap<KeptData_Kind, string> = new Map([
  [KeptData_Kind.UNSPECIFIED, ""],
  [KeptData_Kind.RESULT, "execution:"],
  [KeptData_Kind.MANIFEST, "execution:"],
  [KeptData_Kind.UPLOAD, "upload:"],
  [KeptData_Kind.PIN, "pin:"],
]);
/** A page with less in it than asked for is still a page. */
const PAGES_MAX = 20;
