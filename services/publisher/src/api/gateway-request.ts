import type { IncomingMessage } from "node:http";
import { DomainError } from "@skrei/domain";
import { type ContentId, parseCid } from "@skrei/unixfs/cid.ts";
import { parseEntityBytes } from "../domain/byte-range.ts";

type GatewayFormat = "unixfs" | "raw" | "car" | "json";
type DagScope = "block" | "entity" | "all";

/** What a caller of the gateway asks for. */
export interface GatewayRequest {
  readonly root: ContentId;
  readonly path: readonly string[];
  readonly token: string;
  readonly format: GatewayFormat;
  readonly dagScope: DagScope;
  /** Of a CAR of one file: only the blocks of these bytes; empty for all of it. */
  readonly entityBytes: string;
  /** Of a CAR: exactly these blocks, instead of `dagScope`. */
  readonly blocks: readonly ContentId[];
  readonly isHead: boolean;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/** @throws DomainError notFound/RESULT_NOT_FOUND for other paths, invalid/FIELD_INVALID, invalid/CONTENT_ID_INVALID. */
export function parseGatewayRequest(incoming: IncomingMessage): GatewayRequest {
  if (incoming.method !== "GET" && incoming.method !== "HEAD")
    throw new DomainError("invalid", "FIELD_INVALID", "Content cannot be changed here.", { hint: "Use GET or HEAD." });
  const { pathname, searchParams } = URL.parse(incoming.url ?? "", "http://gateway") ?? new URL("http://gateway");
  const [, space, cid = "", ...names] = pathname.split("/");
  if (space !== "ipfs")
    throw new DomainError("notFound", "RESULT_NOT_FOUND", "There is nothing at this path.", { hint: "Content is at /ipfs/<cid>." });
  return {
    root: parseCid(cid),
    path: names.filter((name) => name !== "").map(decodeName),
    token: searchParams.get("token") ?? bearerOf(incoming),
    format: parseFormat(searchParams.get("format"), incoming.headers.accept ?? ""),
    // Bytes of an entity are meant for the entity, whatever else is said.
    dagScope: searchParams.has("entity-bytes") ? "entity" : parseScope(searchParams.get("dag-scope")),
    entityBytes: parseEntity(searchParams.get("entity-bytes")),
    blocks: parseBlocks(searchParams.get("blocks")),
    isHead: incoming.method === "HEAD",
    range: incoming.headers.range,
    ifRange: [incoming.headers["if-range"]].flat()[0],
    ifNoneMatch: incoming.headers["if-none-match"],
  };
}

function bearerOf(incoming: IncomingMessage): string {
  return /^Bearer (\S+)$/iu.exec(incoming.headers.authorization ?? "")?.[1] ?? "";
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch (cause) {
    throw new DomainError("invalid", "FIELD_INVALID", `The path part ${name.slice(0, 64)} is not percent-encoded UTF-8.`, { cause });
  }
}

function parseFormat(format: string | null, accept: string): GatewayFormat {
  if (format === "raw" || format === "car" || format === "json") return format;
  if (format !== null && format !== "")
    throw new DomainError("invalid", "FIELD_INVALID", `The format ${format.slice(0, 32)} is not offered.`, {
      hint: "Use raw, car or json.",
    });
  if (accept.includes("application/vnd.ipld.raw")) return "raw";
  if (accept.includes("application/vnd.ipld.car")) return "car";
  return accept.startsWith("application/json") ? "json" : "unixfs";
}

function parseScope(scope: string | null): DagScope {
  if (scope === null || scope === "all") return "all";
  if (scope === "block" || scope === "entity") return scope;
  throw new DomainError("invalid", "FIELD_INVALID", `The dag-scope ${scope.slice(0, 32)} is not known.`, {
    hint: "Use block, entity or all.",
  });
}

function parseEntity(bytes: string | null): string {
  if (bytes === null || parseEntityBytes(bytes, 1) !== undefined) return bytes ?? "";
  throw new DomainError("invalid", "FIELD_INVALID", `The entity-bytes ${bytes.slice(0, 32)} are no range.`, {
    hint: "Use from:to, such as 0:1048575 or -1024:*.",
  });
}

/** As many as fit into a request line that every HTTP server takes. */
const BLOCKS_MAX = 64;

function parseBlocks(blocks: string | null): readonly ContentId[] {
  const cids = blocks === null || blocks === "" ? [] : blocks.split(",", BLOCKS_MAX + 1);
  if (cids.length <= BLOCKS_MAX) return cids.map(parseCid);
  throw new DomainError("invalid", "FIELD_INVALID", `More than ${BLOCKS_MAX} blocks are asked for at once.`, {
    hint: `Ask for at most ${BLOCKS_MAX}, then for the others.`,
  });
}
