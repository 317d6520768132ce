import { LIMITS } from "@skrei/domain";
import type { InputPartition } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";
import { parseCreates } from "../parse/parse-input.ts";
import { isKnownSource, refuseSource } from "../parse/refused-features.ts";
import { decodeDataUrl } from "./data-url.ts";
import type { FieldCursor } from "./field-cursor.ts";
import { fileTarget } from "./file-target.ts";
import type { InputDraft, SourceDraft } from "./job-draft.ts";
import { readPartition } from "./read-partition.ts";
import { readS3, readS3Presigned } from "./read-s3.ts";
import { raise } from "../parse/raise.ts";

const TYPES = ["inline", "local", "localDirectory", "urlDownload", "s3", "s3PreSigned", "upload", "content", "ipfs", "job"];

/** `{Source: {Type, Params}, Alias, Target}`, and our Partition. */
export function readInput(item: FieldCursor, defaultTarget?: string): InputDraft | undefined {
  let alias = "";
  let target = defaultTarget;
  let source: SourceWithPart | undefined;
  let partition: InputPartition | undefined;
  let hasSource = false;
  item.fields({
    Alias: (field) => (alias = field.isNull ? "" : (field.text() ?? "")),
    Target: (field) => (target = readTarget(field)),
    Partition: (field) => (partition = field.isNull ? undefined : readPartition(field)),
    Source: (field) => {
      hasSource = true;
      source = readSource(field);
    },
  });
  if (!hasSource) item.problem("FIELD_REQUIRED", "an input needs a Source.");
  if (target === undefined) item.problem("FIELD_REQUIRED", "an input needs a Target.");
  if (target === undefined || source === undefined) return undefined;
  if (partition !== undefined && source.partition !== undefined)
    return item.problem("FIELD_INVALID", "an input is divided once: by its own Partition, or by that of its source.");
  partition ??= source.partition;
  const { source: from } = source;
  return {
    alias,
    target: from.type === "http" ? fileTarget(target, from.url) : target,
    source: from,
    ...(partition !== undefined && { partition }),
  };
}

function readTarget(field: FieldCursor): string | undefined {
  const target = field.text();
  if (target === undefined || target.startsWith("/")) return target;
  if (/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/u.test(target)) return `/${target}`;
  return field.problem("FIELD_INVALID", `the Target "${target}" must be an absolute path.`);
}

interface SourceWithPart {
  readonly source: SourceDraft;
  /** Bacalhau divides inputs in the Params of S3 sources. */
  readonly partition?: InputPartition | undefined;
}

function readSource(source: FieldCursor): SourceWithPart | undefined {
  let type: string | undefined;
  let params: FieldCursor | undefined;
  source.fields({ Type: (field) => (type = readType(field)), Params: (field) => (params = field) });
  if (type === undefined) return undefined;
  if (params === undefined) return source.problem("FIELD_REQUIRED", `a source of type ${type} needs Params.`);
  if (type === "s3") return readS3(params);
  if (type === "s3presigned") return readS3Presigned(params);
  const plain = readPlain(type, params);
  return plain === undefined ? undefined : { source: plain };
}

function readPlain(type: string, params: FieldCursor): SourceDraft | undefined {
  switch (type) {
    case "inline":
      return readInline(params);
    case "upload":
      return one(params, "Path", (path) => ({ type: "upload", path }));
    case "content":
    case "ipfs":
      return readContent(params);
    case "job":
      return readJob(params);
    case "urldownload":
      return readHttp(params);
    default:
      return readLocal(params);
  }
}

function readType(field: FieldCursor): string | undefined {
  const type = field.text()?.trim();
  if (type === undefined) return undefined;
  if (TYPES.some((known) => known.toLowerCase() === type.toLowerCase())) return type.toLowerCase();
  if (isKnownSource(type)) return field.attempt(() => raise(refuseSource(type)));
  return field.problem(
    "FIELD_INVALID",
    `unknown source type "${type}"${suggestion(type, TYPES) || `; expected one of ${TYPES.join(", ")}`}.`,
  );
}

function readInline(params: FieldCursor): SourceDraft | undefined {
  let data: Uint8Array<ArrayBuffer> | undefined;
  let hasUrl = false;
  params.fields({
    URL: (field) => {
      hasUrl = true;
      data = field.parsed(decodeDataUrl);
    },
  });
  if (!hasUrl) params.problem("FIELD_REQUIRED", "an inline source needs a URL such as data:text/plain,hello.");
  return data === undefined ? undefined : { type: "inline", data };
}

function readContent(params: FieldCursor): SourceDraft | undefined {
  let cid: string | undefined;
  let path = "";
  let isGiven = false;
  params.fields({
    CID: (field) => {
      isGiven = true;
      cid = field.text();
    },
    Path: (field) => (path = (field.isNull ? "" : (field.text() ?? "")).replace(/^\/+|\/+$/gu, "")),
  });
  if (!isGiven) return params.problem("FIELD_REQUIRED", "the Params need a CID.");
  return cid === undefined ? undefined : params.made<SourceDraft>({ type: "content", cid, path });
}

function readJob(params: FieldCursor): SourceDraft | undefined {
  let job: string | undefined;
  let output = "";
  let partition: number | undefined;
  let isGiven = false;
  params.fields({
    Job: (field) => {
      isGiven = true;
      job = field.text();
    },
    Output: (field) => (output = field.isNull ? "" : (field.text() ?? "")),
    Partition: (field) => (partition = field.isNull ? undefined : field.integer(0, LIMITS.partitionsMax - 1)),
  });
  if (!isGiven) return params.problem("FIELD_REQUIRED", "the Params need a Job: an id, a unique prefix of one, or a name.");
  return job === undefined ? undefined : { type: "job", job, output, partition };
}

function readHttp(params: FieldCursor): SourceDraft | undefined {
  let url: string | undefined;
  let sha256 = "";
  params.fields({ URL: (field) => (url = field.text()), SHA256: (field) => (sha256 = field.text() ?? "") });
  if (url === undefined) return params.problem("FIELD_REQUIRED", "a urlDownload source needs a URL.");
  if (!/^https?:\/\//iu.test(url)) return params.problem("FIELD_INVALID", `the URL "${url}" must begin with http:// or https://.`);
  return { type: "http", url, sha256 };
}

function readLocal(params: FieldCursor): SourceDraft | undefined {
  let path: string | undefined;
  const read: { isWritable: boolean; creates?: "folder" | "file" | undefined } = { isWritable: false };
  params.fields({
    SourcePath: (field) => (path = field.text()),
    ReadWrite: (field) => (read.isWritable = !field.isNull && field.boolean() === true),
    CreateAs: (field) => (read.creates = field.isNull ? undefined : field.parsed(parseCreates)),
  });
  if (path === undefined) return params.problem("FIELD_REQUIRED", "a local source needs a SourcePath.");
  const { isWritable, creates } = read;
  return { type: "local", path, ...(isWritable && { isWritable: true }), ...(creates !== undefined && { creates }) };
}

function one(params: FieldCursor, name: string, make: (value: string) => SourceDraft): SourceDraft | undefined {
  let source: SourceDraft | undefined;
  let isGiven = false;
  params.fields({
    [name]: (field) => {
      isGiven = true;
      const value = field.text();
      if (value !== undefined) source = field.made(make(value));
    },
  });
  return isGiven ? source : params.problem("FIELD_REQUIRED", `the Params need a ${name}.`);
}
