/** By the ending of a name, for those that people open in place; whatever is not known is bytes. */
export function contentTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (path === "stdout" || path === "stderr" || path === "exitCode") return TEXT;
  return BY_ENDING.get(name.slice(name.lastIndexOf(".") + 1).toLowerCase()) ?? "application/octet-stream";
}

const TEXT = "text/plain; charset=utf-8";
const BY_ENDING: ReadonlyMap<string, string> = new Map(
  Object.entries({
    txt: TEXT,
    log: TEXT,
    md: "text/markdown; charset=utf-8",
    csv: "text/csv; charset=utf-8",
    tsv: "text/tab-separated-values; charset=utf-8",
    json: "application/json",
    jsonl: "application/x-ndjson",
    xml: "application/xml",
    yaml: "application/yaml",
    yml: "application/yaml",
    html: "text/html; charset=utf-8",
    pdf: "application/pdf",
    png: "image/png",
    jpg: "image/jpeg",
    jpeg: "image/jpeg",
    gif: "image/gif",
    svg: "image/svg+xml",
    webp: "image/webp",
    mp4: "video/mp4",
    wav: "audio/wav",
    gz: "application/gzip",
    zst: "application/zstd",
    zip: "application/zip",
    tar: "application/x-tar",
    car: "application/vnd.ipld.car",
    parquet: "application/vnd.apache.parquet",
    wasm: "application/wasm",
  }),
);
