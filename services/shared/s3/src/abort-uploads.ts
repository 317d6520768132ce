import { DomainError } from "@skrei/domain";
import type { S3Requests } from "./requests.ts";
import { childText } from "./xml.ts";

export interface UnfinishedUploads {
  readonly bucket: string;
  /** Of the keys, as the server compares them. */
  readonly prefix: string;
  readonly signal: AbortSignal;
}

/** Removes uploads in parts that were begun and never ended; whoever still sends one fails. At most 1,000. Returns how many there were. */
export async function abortUploads(requests: S3Requests, { bucket, prefix, signal }: UnfinishedUploads): Promise<number> {
  const query = { uploads: "", prefix, "encoding-type": "url", "max-uploads": "1000" };
  const root = await requests.sendForXml({ method: "GET", bucket, query, safety: "repeatable", signal });
  const isEncoded = childText(root, "EncodingType") === "url";
  const uploads = root.children.filter(({ name }) => name === "Upload");
  for (const upload of uploads) {
    const text = childText(upload, "Key");
    const key = isEncoded ? decodeURIComponent(text.replaceAll("+", "%20")) : text;
    if (!key.startsWith(prefix)) continue;
    await abort(requests, { bucket, key, uploadId: childText(upload, "UploadId"), signal });
  }
  return uploads.length;
}

interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly signal: AbortSignal;
}

async function abort(requests: S3Requests, { bucket, key, uploadId, signal }: Upload): Promise<void> {
  try {
    await requests.sendForHeaders({ method: "DELETE", bucket, key, query: { uploadId }, safety: "repeatable", signal });
  } catch (error) {
    // Somebody else was quicker.
    if (!(error instanceof DomainError) || error.kind !== "notFound") throw error;
  }
}
