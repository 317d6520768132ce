import type { InputSource } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { inputPartitionFromProto } from "@skrei/wire/input-partition.ts";
import { formatBytes } from "../parse/parse-bytes.ts";

/** `s3://bucket/key`, `https://…`, `cid:…/path`, `file:///data (writable)`, `inline, 12B`. */
export function describeSource({ source }: Pick<InputSource, "source">): string {
  switch (source.case) {
    case "inline":
      return `inline, ${formatBytes(source.value.data.length)}`;
    case "content":
      return `cid:${[source.value.cid, source.value.path].filter((part) => part !== "").join("/")}`;
    case "local":
      return `file://${source.value.path}${source.value.writable ? " (writable)" : ""}`;
    case "http":
      return source.value.url;
    case "job":
      return `job:${[source.value.job, source.value.output].filter((part) => part !== "").join("/")}`;
    case "s3":
      return `s3://${source.value.bucket}/${source.value.key}`;
    case undefined:
      return "of a kind that this version does not know";
  }
}

/** `by lines`; empty for an input of which every part gets all. */
export function describeDivision({ partition }: Pick<InputSource, "partition">): string {
  if (partition === undefined) return "";
  const division = inputPartitionFromProto(partition);
  if (division === undefined) return "divided in a way that this version does not know";
  return `by ${division.by}${division.glob === "" ? "" : ` of ${division.glob}`}`;
}
