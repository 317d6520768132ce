import type { Publisher, PublisherTarget, S3Target } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";
import { parseDuration } from "../parse/parse-duration.ts";
import { parseEncoding, parsePublisher, plainPublisher, PUBLISHER_WORDS } from "../parse/parse-publisher.ts";
import type { FieldCursor } from "./field-cursor.ts";

/** `{Type, Params}` of Bacalhau with our Retention, or a word such as `cluster` or `s3://bucket/key`. */
export function readPublisher(publisher: FieldCursor): Publisher | undefined {
  if (publisher.isNull) return undefined;
  if (!publisher.isMapping) return publisher.parsed(parsePublisher);
  let type: FieldCursor | undefined;
  let params: FieldCursor | undefined;
  let retentionMs: number | undefined;
  publisher.fields({
    Type: (field) => (type = field),
    Params: (field) => (params = field),
    Retention: (field) => (retentionMs = field.isNull ? undefined : field.is("task.publisher.retention").parsed(parseDuration)),
  });
  const target = readTarget(type, params);
  return target === undefined || retentionMs === undefined ? target : { ...target, retentionMs };
}

function readTarget(typeField: FieldCursor | undefined, params: FieldCursor | undefined): PublisherTarget | undefined {
  const word = typeField === undefined || typeField.isNull ? "" : typeField.text();
  if (word === undefined) return undefined;
  const type = word.trim().toLowerCase();
  if (type === "s3") return readS3(typeField, params);
  return type === "local" && hasFields(params) ? readLocal(params) : readPlain(word, { typeField, params });
}

function readPlain(
  word: string,
  { typeField, params }: { typeField: FieldCursor | undefined; params: FieldCursor | undefined },
): PublisherTarget | undefined {
  const target = plainPublisher(word);
  if (target === undefined) return typeField?.problem("FIELD_INVALID", unknownType(word));
  if (hasFields(params)) params.problem("FIELD_INVALID", `the publisher ${word === "" ? "without a Type" : word} takes no Params.`);
  return target;
}

function readS3(typeField: FieldCursor | undefined, params: FieldCursor | undefined): PublisherTarget | undefined {
  const target: { -readonly [Key in keyof S3Target]: S3Target[Key] } = {
    type: "s3",
    bucket: "",
    key: "",
    region: "",
    endpoint: "",
    encoding: "tar.gz",
  };
  params?.fields({
    Bucket: (field) => (target.bucket = textOf(field.is("task.publisher.s3.bucket"))),
    Key: (field) => (target.key = textOf(field.is("task.publisher.s3.key"))),
    Region: (field) => (target.region = textOf(field.is("task.publisher.s3.region"))),
    Endpoint: (field) => (target.endpoint = textOf(field.is("task.publisher.s3.endpoint"))),
    Encoding: (field) => {
      if (!field.isNull) target.encoding = field.parsed(parseEncoding) ?? target.encoding;
    },
  });
  if (target.bucket === "" || target.key === "")
    return (params ?? typeField)?.problem("FIELD_REQUIRED", "the publisher s3 needs Params with a Bucket and a Key.");
  return target;
}

function readLocal(params: FieldCursor): PublisherTarget | undefined {
  let path = "";
  params.fields({ Path: (field) => (path = textOf(field.is("task.publisher.local.path"))) });
  return path === "" ? params.problem("FIELD_REQUIRED", "a local publisher with Params needs a Path.") : { type: "local", path };
}

function hasFields(params: FieldCursor | undefined): params is FieldCursor {
  return params !== undefined && params.entries().length > 0;
}

function unknownType(type: string): string {
  return `unknown publisher "${type}"${suggestion(type, PUBLISHER_WORDS) || `; expected ${PUBLISHER_WORDS.join(", ")}`}; leave it out for the node's default.`;
}

function textOf(field: FieldCursor): string {
  return field.isNull ? "" : (field.plainText() ?? "");
}
