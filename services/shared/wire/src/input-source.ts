import { create } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { DomainError } from "@skrei/domain";
import type { InputSource, JobOutput, LocalSource, Source } from "@skrei/domain";
import { InputSourceSchema, LocalSource_Create } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { InputSource as PbInputSource, LocalSource as PbLocalSource } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { inputPartitionFromProto, inputPartitionToProto } from "./input-partition.ts";

export function inputSourceToProto(input: InputSource): PbInputSource {
  const { alias, target, source, partition } = input;
  return create(InputSourceSchema, {
    alias,
    target,
    source: sourceToProto(source),
    ...(partition !== undefined && { partition: inputPartitionToProto(partition) }),
  });
}

/**
 * Trusted form: whoever sent it has validated it.
 * @throws DomainError invalid/SOURCE_TYPE_UNSUPPORTED when a newer peer sends a source that does not exist here.
 */
export function inputSourceFromProto(pb: PbInputSource): InputSource {
  const source = sourceFromProto(pb.source);
  if (source === undefined) {
    throw new DomainError(
      "invalid",
      "SOURCE_TYPE_UNSUPPORTED",
      `The input at ${pb.target} has a kind of source that this version does not know.`,
      {
        hint: "Upgrade this node.",
      },
    );
  }
  const whole = { alias: pb.alias, target: pb.target, source };
  if (pb.partition === undefined) return whole;
  const partition = inputPartitionFromProto(pb.partition);
  if (partition !== undefined) return { ...whole, partition };
  throw new DomainError(
    "invalid",
    "SOURCE_TYPE_UNSUPPORTED",
    `The input at ${pb.target} is divided in a way that this version does not know.`,
    {
      hint: "Upgrade this node.",
    },
  );
}

/** Undefined when there is nothing that a node can read: no source, a job's output that was not resolved, or one of a newer peer. */
function sourceFromProto(pb: PbInputSource["source"]): Source | undefined {
  switch (pb.case) {
    case "inline":
      return { type: "inline", dataBase64: base64Encode(pb.value.data) };
    case "content":
      return { type: "content", cid: pb.value.cid, path: pb.value.path };
    case "local":
      return localFromProto(pb.value);
    case "http":
      return { type: "http", url: pb.value.url, sha256: pb.value.sha256 };
    case "s3": {
      const { bucket, key, filter, region, endpoint, versionId, sha256 } = pb.value;
      return { type: "s3", bucket, key, filter, region, endpoint, versionId, sha256 };
    }
    case "job":
    case undefined:
      return undefined;
  }
}

const CREATE_TO_PROTO = { nothing: LocalSource_Create.NOTHING, folder: LocalSource_Create.FOLDER, file: LocalSource_Create.FILE } as const;
const CREATE_FROM_PROTO = new Map<LocalSource_Create, "folder" | "file">([
  [LocalSource_Create.FOLDER, "folder"],
  [LocalSource_Create.FILE, "file"],
]);

function localFromProto({ path, writable, create: made }: PbLocalSource): LocalSource {
  const creates = CREATE_FROM_PROTO.get(made);
  return { type: "local", path, ...(writable && { isWritable: true }), ...(creates !== undefined && { creates }) };
}

/** What a request asks for; undefined when no source, or one of a newer peer, is set. */
export function requestedSourceFromProto(pb: PbInputSource["source"]): Source | JobOutput | undefined {
  if (pb.case !== "job") return sourceFromProto(pb);
  const { job, output, partition } = pb.value;
  return { type: "job", job, output, partition };
}

type SourceInit = NonNullable<Parameters<typeof create<typeof InputSourceSchema>>[1]>["source"];

export function sourceToProto(source: Source): NonNullable<SourceInit> {
  switch (source.type) {
    case "inline":
      return { case: "inline", value: { data: base64Decode(source.dataBase64) } };
    case "content":
      return { case: "content", value: { cid: source.cid, path: source.path } };
    case "local":
      return {
        case: "local",
        value: { path: source.path, writable: source.isWritable ?? false, create: CREATE_TO_PROTO[source.creates ?? "nothing"] },
      };
    case "http":
      return { case: "http", value: { url: source.url, sha256: source.sha256 } };
    case "s3": {
      const { type: _, ...value } = source;
      return { case: "s3", value };
    }
  }
}
