import type { SourceDraft } from "./job-draft.ts";

/** Where the file of a source goes that is one file; every other source is at the target itself. */
export function sourceTarget(target: string, source: SourceDraft): string {
  if (source.type === "http") return fileTarget(target, source.url);
  if (source.type !== "s3" || /(?:^|[/*])$/u.test(source.key)) return target;
  return below(target, source.key.slice(source.key.lastIndexOf("/") + 1));
}

/** As Bacalhau places a download: `target/<file name of the URL>`; a target that names the file already is kept. */
export function fileTarget(target: string, url: string): string {
  return below(target, fileName(url));
}

function below(target: string, name: string): string {
  const folder = target.replace(/\/+$/u, "");
  return name === "" || folder.endsWith(`/${name}`) ? target : `${folder}/${name}`;
}

function fileName(url: string): string {
  const path = URL.parse(url)?.pathname ?? "";
  const last = path.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last).replaceAll("/", "_");
  } catch {
    return last;
  }
}
