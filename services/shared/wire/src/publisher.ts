import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Publisher, PublisherTarget, PublisherType, ResultEncoding } from "@skrei/domain";
import { Publisher_Type, PublisherSchema, S3Target_Encoding } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Publisher as PbPublisher, S3Target as PbS3Target } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { reverse } from "./enum-table.ts";
import { msFromDuration } from "./time.ts";

const PUBLISHER_TO_PROTO = {
  default: Publisher_Type.UNSPECIFIED,
  cluster: Publisher_Type.CLUSTER,
  s3: Publisher_Type.S3,
  ipfs: Publisher_Type.IPFS,
  local: Publisher_Type.LOCAL,
} as const satisfies Record<PublisherType, Publisher_Type>;
const PUBLISHER_FROM_PROTO = reverse<PublisherType>(PUBLISHER_TO_PROTO);

const ENCODING_TO_PROTO = {
  files: S3Target_Encoding.FILES,
  "tar.gz": S3Target_Encoding.TAR_GZIP,
  "tar.zst": S3Target_Encoding.TAR_ZSTD,
  car: S3Target_Encoding.CAR,
} as const satisfies Record<ResultEncoding, S3Target_Encoding>;
const ENCODING_FROM_PROTO = reverse<ResultEncoding>(ENCODING_TO_PROTO);

export function publisherToProto(publisher: Publisher): PbPublisher {
  const { type, retentionMs } = publisher;
  return create(PublisherSchema, {
    type: PUBLISHER_TO_PROTO[type],
    ...(publisher.type === "s3" && { s3: s3TargetToProto(publisher) }),
    ...(publisher.type === "local" && { local: { path: publisher.path } }),
    ...(retentionMs !== undefined && { retention: durationFromMs(retentionMs) }),
  });
}

/** Undefined for a target or encoding of a newer peer. Absent is the node's default. What a target lacks is left empty. */
export function publisherFromProto(pb: PbPublisher | undefined): Publisher | undefined {
  if (pb === undefined) return { type: "default" };
  const target = targetFromProto(pb);
  if (target === undefined) return undefined;
  return pb.retention === undefined ? target : { ...target, retentionMs: msFromDuration(pb.retention) };
}

function targetFromProto({ type: pbType, s3, local }: PbPublisher): PublisherTarget | undefined {
  const type = PUBLISHER_FROM_PROTO.get(pbType);
  switch (type) {
    case "default":
    case "cluster":
    case "ipfs":
      return { type };
    case "s3":
      return s3TargetFromProto(s3);
    case "local":
      return { type, path: local?.path ?? "" };
    case undefined:
      return undefined;
  }
}

function s3TargetFromProto(pb: PbS3Target | undefined): PublisherTarget | undefined {
  const asked = pb?.encoding ?? S3Target_Encoding.UNSPECIFIED;
  const encoding = asked === S3Target_Encoding.UNSPECIFIED ? "tar.gz" : ENCODING_FROM_PROTO.get(asked);
  if (encoding === undefined) return undefined;
  const { bucket = "", key = "", region = "", endpoint = "" } = pb ?? {};
  return { type: "s3", bucket, key, region, endpoint, encoding };
}

function s3TargetToProto({
  bucket,
  key,
  region,
  endpoint,
  encoding,
}: Extract<PublisherTarget, { type: "s3" }>): Omit<PbS3Target, "$typeName" | "$unknown"> {
  return { bucket, key, region, endpoint, encoding: ENCODING_TO_PROTO[encoding] };
}
