import { create } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { DomainError } from "@skrei/domain";
import type { InputSource, JobOutput, Source } from "@skrei/domain";
import { InputSourceSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { InputSource as PbInputSource } from "@skrei/proto/skrei/job/v1/spec_pb.ts";

export function inputSourceToProto(input: InputSource): PbInputSource {
  return create(InputSourceSchema, { alias: input.alias, target: input.target, source: sourceToProto(input.source) });
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
  return { alias: pb.alias, target: pb.target, source };
}

/** Undefined when there is nothing that a node can read: no source, a job's output that was not resolved, or one of a newer peer. */
function sourceFromProto(pb: PbInputSource["source"]): Source | undefined {
  switch (pb.case) {
    case "inline":
      return { type: "inline", dataBase64: base64Encode(pb.value.data) };
    case "content":
      return { type: "content", cid: pb.value.cid, path: pb.value.path };
    case "local":
      return { type: "local", path: pb.value.path };
    case "http":
      return { type: "http", url: pb.value.url, sha256: pb.value.sha256 };
    case "job":
    case undefined:
      return undefined;
  }
}

/** What a request asks for; undefined when no source, or one of a newer peer, is set. */
export function requestedSourceFromProto(pb: PbInputSource["source"]): Source | JobOutput | undefined {
  if (pb.case !== "job") return sourceFromProto(pb);
  const { job, output, partition } = pb.value;
  return { type: "job", job, output, partition };
}

type SourceInit = NonNullable<Parameters<typeof create<typeof InputSourceSchema>>[1]>["source"];

function sourceToProto(source: Source): NonNullable<SourceInit> {
  switch (source.type) {
    case "inline":
      return { case: "inline", value: { data: base64Decode(source.dataBase64) } };
    case "content":
      return { case: "content", value: { cid: source.cid, path: source.path } };
    case "local":
      return { case: "local", value: { path: source.path } };
    case "http":
      return { case: "http", value: { url: source.url, sha256: source.sha256 } };
  }
}
