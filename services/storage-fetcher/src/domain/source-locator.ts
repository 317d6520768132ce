import type { Source } from "@skrei/domain";
import type { InputSlice } from "./input-slice.ts";

/** What names a source, or a part of one, apart from its data. */
export function locatorOf(source: Exclude<Source, { readonly type: "local" }>, slice: InputSlice | undefined): string {
  const whole = wholeLocatorOf(source);
  if (slice === undefined) return whole;
  const { partition, place } = slice;
  return `${whole}#${JSON.stringify([place.index, place.count, partition])}`;
}

function wholeLocatorOf(source: Exclude<Source, { readonly type: "local" }>): string {
  switch (source.type) {
    case "http":
      return `http:${source.url}`;
    case "content":
      return `content:${source.cid}/${source.path}`;
    case "s3": {
      const { endpoint, region, bucket, key, filter, versionId, sha256 } = source;
      return `s3:${JSON.stringify([endpoint, region, bucket, key, filter, versionId, sha256])}`;
    }
    case "inline":
      return "inline:";
  }
}
