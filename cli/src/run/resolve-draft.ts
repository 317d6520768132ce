import { lstat, readFile, realpath } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { create } from "@bufbuild/protobuf";
import { LIMITS } from "@skrei/domain";
import { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { JobSpec } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { inputPartitionToProto } from "@skrei/wire/input-partition.ts";
import { sourceToProto } from "@skrei/wire/input-source.ts";
import { parseCid } from "@skrei/unixfs/cid.ts";
import type { InputDraft, InputInit, JobDraft, SourceDraft } from "../job-file/job-draft.ts";

/** Stores a file or folder of this machine and gives its content id. */
type Upload = (path: string) => Promise<string>;

export interface ResolveOptions {
  /** Paths of uploads are relative to this folder. */
  readonly folder: string;
  readonly upload: Upload;
}

/** One file up to this size travels inside the spec; that saves the round trips of an upload. */
const INLINE_FILE_BYTES_MAX = 16 * 1024;

/** The spec with every upload replaced by inline bytes or a content id. */
export async function resolveDraft(draft: JobDraft, options: ResolveOptions): Promise<JobSpec> {
  const inputs: InputInit[] = [];
  let inlineBytes = draft.inputs.reduce((sum, { source }) => sum + (source.type === "inline" ? source.data.length : 0), 0);
  for (const input of draft.inputs) {
    const resolved =
      input.source.type === "upload"
        ? await resolveUpload(input, { path: input.source.path, inlineBytes, options }).catch((error: unknown) => {
            throw draft.report?.locatedAt(input.source, error) ?? error;
          })
        : input;
    if (input.source.type === "upload" && resolved.source.type === "inline") inlineBytes += resolved.source.data.length;
    inputs.push({
      alias: resolved.alias,
      target: resolved.target,
      source: locatedSource(resolved.source, draft),
      ...(input.partition !== undefined && { partition: inputPartitionToProto(input.partition) }),
    });
  }
  return create(JobSpecSchema, { ...draft.spec, task: { ...draft.spec.task, inputs } });
}

/** For a job file beside which its folders lie. */
export function folderOf(jobFile: string): string {
  return dirname(resolve(jobFile));
}

async function resolveUpload(
  input: InputDraft,
  { path, inlineBytes, options }: { path: string; inlineBytes: number; options: ResolveOptions },
): Promise<InputDraft & { source: Exclude<SourceDraft, { type: "upload" }> }> {
  const named = resolve(options.folder, path);
  // A link that is named stands for what it leads to; a link inside a folder is uploaded as it is.
  const absolute = await realpath(named).catch(() => named);
  const stats = await lstat(absolute).catch(() => undefined);
  if (stats?.isFile() !== true) return { ...input, source: { type: "content", cid: await options.upload(absolute), path: "" } };
  const target =
    input.target === "/inputs" || input.target.endsWith("/") ? `${input.target.replace(/\/+$/u, "")}/${basename(named)}` : input.target;
  const isSmall = stats.size <= INLINE_FILE_BYTES_MAX && inlineBytes + stats.size <= LIMITS.inlineBytesMax;
  if (isSmall) return { ...input, target, source: { type: "inline", data: Uint8Array.from(await readFile(absolute)) } };
  return { ...input, target, source: { type: "content", cid: await options.upload(absolute), path: "" } };
}

function locatedSource(source: SourceDraft, draft: JobDraft): ReturnType<typeof toSource> {
  try {
    return toSource(source);
  } catch (error) {
    throw draft.report?.locatedAt(source, error) ?? error;
  }
}

/** Content ids of the old form are common in the IPFS world; the cluster speaks of blocks by the new one alone. */
function currentCid(cid: string): string {
  return cid.startsWith("Qm") ? parseCid(cid).toString() : cid;
}

function toSource(source: SourceDraft): NonNullable<Extract<InputInit, { target?: unknown }>["source"]> {
  switch (source.type) {
    case "inline":
      return { case: "inline", value: { data: source.data } };
    case "content":
      return { case: "content", value: { cid: currentCid(source.cid), path: source.path } };
    case "job": {
      const { job, output, partition } = source;
      return { case: "job", value: { job, output, ...(partition !== undefined && { partition }) } };
    }
    case "local":
    case "http":
    case "s3":
      return sourceToProto(source);
    case "upload":
      throw new TypeError("uploads are resolved before");
  }
}
