import type { InputPartition, S3Source } from "@skrei/domain";
import { parseSha256 } from "../parse/parse-sha256.ts";
import type { FieldCursor, FieldReaders } from "./field-cursor.ts";
import type { SourceDraft } from "./job-draft.ts";
import { readS3Partition } from "./read-partition.ts";

/** What the Params of a source say; Bacalhau divides an S3 source there. */
export interface S3Draft {
  readonly source: SourceDraft;
  readonly partition: InputPartition | undefined;
}

export function readS3(params: FieldCursor): S3Draft | undefined {
  const { source, partition } = readFields(params, {});
  if (source.bucket === "") return params.problem("FIELD_REQUIRED", "an s3 source needs a Bucket.");
  return { source, partition };
}

/** What a results call answers: the link is all that is needed. */
export function readS3Presigned(params: FieldCursor): S3Draft | undefined {
  let url: string | undefined;
  const { source, partition } = readFields(params, {
    PreSignedURL: (field) => (url = field.text()),
    Managed: (field) => void field.boolean(),
  });
  if (url === undefined) return params.problem("FIELD_REQUIRED", "an s3PreSigned source needs a PreSignedURL.");
  if (!/^https?:\/\//iu.test(url)) return params.problem("FIELD_INVALID", "the PreSignedURL must begin with http:// or https://.");
  return { source: { type: "http", url, sha256: source.sha256 }, partition };
}

function readFields(params: FieldCursor, more: FieldReaders): { source: S3Source; partition: InputPartition | undefined } {
  const source = { type: "s3" as const, bucket: "", key: "", filter: "", region: "", endpoint: "", versionId: "", sha256: "" };
  let partition: InputPartition | undefined;
  params.fields({
    Bucket: (field) => (source.bucket = textOf(field)),
    Key: (field) => (source.key = textOf(field)),
    Filter: (field) => (source.filter = textOf(field)),
    Region: (field) => (source.region = textOf(field)),
    Endpoint: (field) => (source.endpoint = textOf(field)),
    VersionID: (field) => (source.versionId = textOf(field)),
    ChecksumSHA256: (field) => (source.sha256 = textOf(field) === "" ? "" : (field.parsed(parseSha256) ?? "")),
    Partition: (field) => (partition = readS3Partition(field)),
    ...more,
  });
  return { source, partition };
}

/** Numbers are taken as they are written. */
function textOf(field: FieldCursor): string {
  return field.isNull ? "" : (field.plainText() ?? "");
}
