import { readFile } from "@skrei/unixfs/read-dag.ts";
import { parseRange } from "../domain/byte-range.ts";
import type { Exchange } from "./gateway-exchange.ts";
import { contentHeaders, isUnchanged, sendPieces } from "./gateway-send.ts";

/** A file, or the part that a Range header asks for, verified leaf by leaf while it is read. */
export async function sendFile(exchange: Exchange, sizeBytes: number): Promise<void> {
  const { request, response, load, target } = exchange;
  const etag = `"${target.toString()}"`;
  if (isUnchanged(exchange, etag)) return;
  const isSame = request.ifRange === undefined || request.ifRange === etag;
  const range = isSame ? parseRange(request.range, sizeBytes) : undefined;
  if (range === "unsatisfiable") {
    response.writeHead(416, { "content-range": `bytes */${sizeBytes}` }).end();
    return;
  }
  const { start, end } = range ?? { start: 0, end: sizeBytes };
  const partHeaders = range === undefined ? {} : { "content-range": `bytes ${start}-${end - 1}/${sizeBytes}` };
  const name = request.path.at(-1) ?? target.toString();
  const headers = { "content-length": end - start, "accept-ranges": "bytes", "content-disposition": disposition(name), ...partHeaders };
  response.writeHead(range === undefined ? 200 : 206, contentHeaders(etag, typeOf(name), headers));
  if (request.isHead) response.end();
  else await sendPieces(response, readFile(load, target, { start, end }));
}

function isText(name: string): boolean {
  return /^(?:stdout|stderr|exitCode)$|\.(?:txt|log|csv|tsv|json|yaml|yml|md)$/u.test(name);
}

function typeOf(name: string): string {
  return isText(name) ? "text/plain; charset=utf-8" : "application/octet-stream";
}

/** RFC 6266: plain names as they are, others percent-encoded. */
function disposition(name: string): string {
  const encoded = encodeURIComponent(name).replaceAll(/['()*]/gu, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${isText(name) ? "inline" : "attachment"}; filename*=UTF-8''${encoded}`;
}
