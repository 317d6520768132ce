import { type ContentId, RAW_CODE } from "@skrei/unixfs/cid.ts";
import { decodeNode, type FolderLink } from "@skrei/unixfs/node.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";
import type { Exchange } from "./gateway-exchange.ts";
import { contentHeaders, isUnchanged, sendPieces } from "./gateway-send.ts";

/** A folder as JSON (`{"cid", "entries": [{name, cid, kind, sizeBytes}]}`) or as a plain page with links. */
export async function sendFolder(exchange: Exchange): Promise<void> {
  const { request, response, load, target } = exchange;
  const isJson = request.format === "json";
  const etag = `"${target.toString()}.${isJson ? "json" : "html"}"`;
  if (isUnchanged(exchange, etag)) return;
  // The page holds the token in its links, so it must not be kept.
  const headers = isJson ? {} : { "cache-control": "no-store" };
  response.writeHead(200, contentHeaders(etag, isJson ? "application/json" : "text/html; charset=utf-8", headers));
  if (request.isHead) response.end();
  else await sendPieces(response, isJson ? jsonListing(load, target) : htmlListing(exchange));
}

async function* jsonListing(load: LoadBlock, target: ContentId): AsyncGenerator<string> {
  yield `{"cid":${JSON.stringify(target.toString())},"entries":[`;
  let comma = "";
  for await (const link of listFolder(load, target)) {
    yield `${comma}${JSON.stringify({ name: link.name, cid: link.cid.toString(), ...(await describe(load, link)) })}`;
    comma = ",\n";
  }
  yield "]}\n";
}

async function* htmlListing({ request, load, target }: Exchange): AsyncGenerator<string> {
  const base = ["/ipfs", request.root.toString(), ...request.path.map(encodeURIComponent)].join("/");
  const query = `?token=${encodeURIComponent(request.token)}`;
  yield `<!doctype html><meta charset="utf-8"><title>${target.toString()}</title><h1>${escapeHtml([request.root.toString(), ...request.path].join("/"))}</h1>\n<table>\n`;
  for await (const link of listFolder(load, target)) {
    const { kind, sizeBytes } = await describe(load, link);
    const href = escapeHtml(`${base}/${encodeURIComponent(link.name)}${query}`);
    yield `<tr><td><a href="${href}">${escapeHtml(link.name)}${kind === "folder" ? "/" : ""}</a><td align="right">${sizeBytes}<td><code>${link.cid.toString()}</code>\n`;
  }
  yield "</table>\n";
}

/** Bytes of a file; of a folder, what its blocks claim to need. */
async function describe(
  load: LoadBlock,
  { cid, dagBytes }: FolderLink,
): Promise<{ readonly kind: "file" | "folder" | "symlink"; readonly sizeBytes: number }> {
  if (cid.code === RAW_CODE) return { kind: "file", sizeBytes: dagBytes };
  const node = decodeNode(cid, await load(cid));
  if (node.kind === "file") return { kind: "file", sizeBytes: node.sizeBytes };
  return node.kind === "symlink" ? { kind: "symlink", sizeBytes: node.target.length } : { kind: "folder", sizeBytes: dagBytes };
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/gu, (letter) => `&#${letter.charCodeAt(0)};`);
}
