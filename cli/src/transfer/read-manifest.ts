import { parseCid } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import { type LoadBlock, readFile } from "@skrei/unixfs/read-dag.ts";

/** A million paths would fit; the names of outputs take far less. */
const MANIFEST_BYTES_MAX = 4 * 1_048_576;

/** What a result's manifest says of its content. */
export interface ResultContents {
  readonly parts: readonly { readonly path: string; readonly cid: string; readonly sizeBytes: number }[];
  readonly skippedPaths: readonly string[];
}

/** The manifest, whose bytes match its content id; undefined when it is of a form that this version does not know. */
export async function readManifest(load: LoadBlock, cid: string): Promise<ResultContents | undefined> {
  const root = parseCid(cid);
  const node = decodeNode(root, await load(root));
  if (node.kind !== "file" || node.sizeBytes > MANIFEST_BYTES_MAX) return undefined;
  const pieces: Uint8Array[] = [];
  for await (const piece of readFile(load, root, { start: 0, end: node.sizeBytes })) pieces.push(piece);
  return parseManifest(Buffer.concat(pieces).toString());
}

function parseManifest(text: string): ResultContents | undefined {
  const manifest = field(parseJson(text), "manifest");
  const [parts, skippedPaths] = [field(manifest, "parts"), field(manifest, "skippedPaths")];
  if (!Array.isArray(parts) || !Array.isArray(skippedPaths)) return undefined;
  return {
    parts: parts.map((part: unknown) => ({
      path: String(field(part, "path")),
      cid: String(field(part, "cid")),
      sizeBytes: Number(field(part, "sizeBytes")),
    })),
    skippedPaths: skippedPaths.map(String),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Of another form.
    return undefined;
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
