import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DomainError } from "@skrei/domain";
import type { S3Client } from "@skrei/s3/client.ts";
import { syncFiles } from "@skrei/platform/sync-files.ts";
import { locatorOf } from "../domain/source-locator.ts";
import type { Fetched, FetchTarget, SourceAdapter, SourceOf } from "../ports.ts";
import { folderEntryOf, type NamedFile } from "./folder-entry.ts";
import { KnownSizes } from "./known-sizes.ts";
import { listSource, type S3File, type S3Listing } from "./s3-listing.ts";
import { S3Object, type S3ObjectSettings } from "./s3-object.ts";
import type { S3Places } from "./s3-places.ts";

export interface S3SourceSettings extends S3ObjectSettings {
  /** Objects of one input that are fetched at once. */
  readonly parallelMax: number;
}

/**
 * Objects of S3-compatible servers, always as a folder: one object is a file in it, objects of a prefix lie below it by their keys. The
 * digest is the folder's content id. A listing that is as last time costs nothing but the listing.
 */
export function createS3Source(places: S3Places, settings: S3SourceSettings): SourceAdapter<"s3"> {
  const sizes = new KnownSizes(settings.clock, SIZE_KNOWN_FOR_MS);
  return {
    keyOf: () => undefined,
    divides: ({ by }) => by !== "lines" && by !== "bytes",
    check: (source) => places.check(source),
    estimate: async (source, signal) =>
      await sizes.of(locatorOf(source, undefined), async () => {
        const { sizeBytes } = await listSource(places.clientFor(source), source, { slice: undefined, signal }).catch(throwForBid);
        return sizeBytes;
      }),
    fetch: async (source, target) => await new S3Fetch(places.clientFor(source), source, { target, settings }).run(),
  };
}

/** For a bid, wrong credentials and missing ones are the same: another node may have better ones. */
function throwForBid(error: unknown): never {
  if (!(error instanceof DomainError) || error.kind !== "unauthenticated") throw error;
  throw new DomainError("forbidden", error.reason, error.message, { metadata: error.metadata, cause: error });
}

class S3Fetch {
  readonly #client: S3Client;
  readonly #source: SourceOf<"s3">;
  readonly #target: FetchTarget;
  readonly #settings: S3SourceSettings;
  #bytesDone = 0;

  constructor(
    client: S3Client,
    source: SourceOf<"s3">,
    { target, settings }: { readonly target: FetchTarget; readonly settings: S3SourceSettings },
  ) {
    this.#client = client;
    this.#source = source;
    this.#target = target;
    this.#settings = settings;
  }

  async run(): Promise<Fetched> {
    const { path, validators, signal, slice } = this.#target;
    const listing = await listSource(this.#client, this.#source, { slice, signal });
    const { files, sizeBytes, etag } = listing;
    if (validators?.etag === etag) return { kind: "unchanged" };
    this.#allow(listing);
    await makeFolders(path, files);
    const { cid } = folderEntryOf(await this.#fetchAll(listing));
    await syncFiles(
      "/",
      files.map((file) => join(path, file.path)),
    );
    return { kind: "fetched", digest: `cid:${cid.toString()}`, sizeBytes, validators: { etag, lastModified: "" } };
  }

  /** Each object is exactly as large as it was listed, so this holds while streaming too. */
  #allow({ sizeBytes, files }: S3Listing): void {
    const { bytesMax, onBytes } = this.#target;
    if (sizeBytes > bytesMax)
      throw new DomainError(
        "exhausted",
        "SOURCE_TOO_LARGE",
        `The ${files.length} objects have ${sizeBytes} bytes; ${bytesMax} are allowed.`,
        {
          hint: "Ask for more disk in the job's resources.",
        },
      );
    onBytes(0, sizeBytes);
  }

  /** Several at once; the first failure ends all. */
  async #fetchAll({ files, sizeBytes }: S3Listing): Promise<readonly NamedFile[]> {
    const left = new AbortController();
    const signal = AbortSignal.any([this.#target.signal, left.signal]);
    const done: NamedFile[] = [];
    const queue = files.values();
    const work = async (): Promise<void> => {
      for (const file of queue) done.push({ path: file.path, entry: await this.#fetchOne(file, sizeBytes, signal) });
    };
    const failures: unknown[] = [];
    const workers = Array.from({ length: Math.min(this.#settings.parallelMax, files.length) }, async () => {
      await work().catch((error: unknown) => {
        failures.push(error);
        left.abort(new DomainError("cancelled", "CANCELLED", "Another object of the input failed."));
      });
    });
    await Promise.all(workers);
    if (failures.length > 0) throw failures[0];
    return done;
  }

  async #fetchOne(file: S3File, bytesTotal: number, signal: AbortSignal): Promise<NamedFile["entry"]> {
    signal.throwIfAborted();
    const onPiece = (sizeBytes: number): void => {
      this.#bytesDone += sizeBytes;
      this.#target.onBytes(this.#bytesDone, bytesTotal);
    };
    const target = { path: join(this.#target.path, file.path), onPiece, sha256: this.#source.sha256, signal };
    return await new S3Object(this.#client, file, target).fetch(this.#settings);
  }
}

async function makeFolders(root: string, files: readonly S3File[]): Promise<void> {
  await mkdir(root);
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) await mkdir(join(root, folder), { recursive: true });
}

/** A bucket may change; a bid is no promise. */
const SIZE_KNOWN_FOR_MS = 30_000;
