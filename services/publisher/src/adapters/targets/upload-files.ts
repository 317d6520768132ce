import type { S3Client } from "@skrei/s3/client.ts";
import type { UploadOptions } from "@skrei/s3/upload-object.ts";
import { contentTypeOf } from "./content-type.ts";
import { releaseBytes } from "./release-bytes.ts";
import type { FileEntry, TreeEntry } from "./tree-entries.ts";

interface FilesContext {
  readonly client: S3Client;
  readonly bucket: string;
  /** Ends in `/`. */
  readonly key: string;
  readonly onProgress: (bytesDone: number) => void;
  readonly onLeftover: NonNullable<UploadOptions["onLeftover"]>;
  readonly signal: AbortSignal;
}

/** One object for each file below `key`; S3 has neither links nor folders, so those are left out. Small files go several at once. */
export async function uploadFiles(entries: AsyncIterable<TreeEntry>, context: FilesContext): Promise<void> {
  const failure = new AbortController();
  const signal = AbortSignal.any([context.signal, failure.signal]);
  const inFlight = new Set<Promise<void>>();
  let bytesDone = 0;
  const start = (file: FileEntry): Promise<void> => {
    const sending: Promise<void> = upload(file, {
      ...context,
      signal,
      onTaken: (bytes) => context.onProgress((bytesDone += bytes)),
    }).finally(() => inFlight.delete(sending));
    sending.catch((error: unknown) => failure.abort(error));
    inFlight.add(sending);
    return sending;
  };
  try {
    for await (const entry of entries) {
      signal.throwIfAborted();
      if (entry.kind !== "file") continue;
      const sending = start(entry);
      // A large file has several parts on their way by itself.
      if (entry.sizeBytes > SMALL_BYTES) await sending;
      else if (inFlight.size >= FILES_AT_ONCE) await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled(inFlight);
    throw failure.signal.reason;
  }
}

interface FileContext extends FilesContext {
  readonly onTaken: (bytes: number) => void;
}

async function upload(file: FileEntry, { client, bucket, key, onTaken, onLeftover, signal }: FileContext): Promise<void> {
  const ref = { bucket, key: key + file.path };
  const options = { contentType: contentTypeOf(file.path), checksum: true, signal };
  if (file.sizeBytes > SMALL_BYTES) {
    await client.uploadObject(ref, counted(file.open(), onTaken), { ...options, sizeBytesHint: file.sizeBytes, onLeftover });
    return;
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of file.open()) pieces.push(piece);
  const [whole = new Uint8Array()] = pieces;
  await client.putObject(ref, pieces.length > 1 ? Buffer.concat(pieces) : whole, options);
  for (const piece of pieces) releaseBytes(piece);
  onTaken(file.sizeBytes);
}

async function* counted(pieces: AsyncIterable<Uint8Array>, onTaken: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    const { length } = piece;
    yield piece;
    releaseBytes(piece);
    onTaken(length);
  }
}

const FILES_AT_ONCE = 8;
const SMALL_BYTES = 1_048_576;
