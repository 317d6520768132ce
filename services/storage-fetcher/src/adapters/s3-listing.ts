import { hash } from "node:crypto";
import { DomainError, LIMITS } from "@skrei/domain";
import type { S3Client } from "@skrei/s3/client.ts";
import { type ObjectRef, selectKey } from "@skrei/s3/location.ts";
import { isFolder, keyFilter, planFiles } from "@skrei/s3/select-objects.ts";
import type { InputSlice, SourceOf } from "../ports.ts";
import { divideFiles } from "./divide-files.ts";
import { filterInTurns } from "./filter-in-turns.ts";

/** An object to be fetched as a file, in the version that the listing saw. */
export interface S3File {
  readonly ref: ObjectRef;
  readonly key: string;
  /** Below the input's folder. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly etag: string;
}

export interface S3Listing {
  /** In the server's order. */
  readonly files: readonly S3File[];
  readonly sizeBytes: number;
  /** Changes with any name, size or version of the files. */
  readonly etag: string;
}

/**
 * What a source names now: one object, or all below a prefix that the filter lets through, as far as they are of the slice. Nothing of
 * the server's answer is trusted: keys that are no safe path are refused.
 * @throws DomainError as the client's; notFound/SOURCE_UNREACHABLE when there is nothing; exhausted/SOURCE_TOO_LARGE.
 */
export async function listSource(
  client: S3Client,
  source: SourceOf<"s3">,
  { slice, signal }: { readonly slice: InputSlice | undefined; readonly signal: AbortSignal },
): Promise<S3Listing> {
  const selection = selectKey(source.key);
  const isObject = selection.kind === "object";
  const prefix = isObject ? selection.key : selection.prefix;
  const objects = isObject ? [await headOf(client, source, signal)] : await listPrefix(client, source, { prefix, signal });
  const files = planFiles(objects, prefix).map(({ object, path }): S3File => ({ ...object, path: checkDepth(path).join("/") }));
  const keyPrefix = isObject ? prefix.slice(0, prefix.lastIndexOf("/") + 1) : prefix;
  const mine = slice === undefined ? files : await divideFiles(files, slice, { prefix: keyPrefix, signal });
  return { files: mine, sizeBytes: mine.reduce((sum, file) => sum + file.sizeBytes, 0), etag: etagOf(mine) };
}

type FoundObject = Omit<S3File, "path">;

async function headOf(client: S3Client, { bucket, key, versionId }: SourceOf<"s3">, signal: AbortSignal): Promise<FoundObject> {
  const asked = { bucket, key, ...(versionId !== "" && { versionId }) };
  const info = await client.headObject(asked, { signal });
  const ref = info.versionId === undefined ? asked : { ...asked, versionId: info.versionId };
  return { ref, key, sizeBytes: info.sizeBytes, etag: info.etag };
}

async function listPrefix(
  client: S3Client,
  { bucket, filter }: SourceOf<"s3">,
  { prefix, signal }: { readonly prefix: string; readonly signal: AbortSignal },
): Promise<readonly FoundObject[]> {
  const found: FoundObject[] = [];
  const listing = client.listObjects({ bucket, prefix, objectsMax: LIMITS.resultFilesMax, signal });
  for await (const { key, sizeBytes, etag } of listing) found.push({ ref: { bucket, key }, key, sizeBytes, etag });
  const files = found.filter((object) => !isFolder(object));
  const matching = filter === "" ? files : await filterInTurns(files, keyFilter(prefix, filter), signal);
  if (matching.length > 0) return matching;
  const what = files.length === 0 ? "There is no object" : `None of ${files.length} objects matches the filter`;
  throw new DomainError("notFound", "SOURCE_UNREACHABLE", `${what} below s3://${bucket}/${prefix.slice(0, 128)}.`, {
    hint: "Check the bucket, the key and the filter; upper and lower case differ.",
  });
}

function checkDepth(path: readonly string[]): readonly string[] {
  if (path.length <= LIMITS.resultDepthMax) return path;
  throw new DomainError("invalid", "FIELD_INVALID", `An object's key has ${path.length} folders; ${LIMITS.resultDepthMax} are allowed.`, {
    hint: "Choose a narrower key or a filter that leaves such objects out.",
  });
}

function etagOf(files: readonly S3File[]): string {
  const lines = files.map(({ path, sizeBytes, etag, ref }) => JSON.stringify([path, sizeBytes, etag, ref.versionId ?? ""]));
  return hash("sha256", lines.join("\n"));
}
