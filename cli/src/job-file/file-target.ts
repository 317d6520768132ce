import type { InputDraft } from "./job-draft.ts";

/** Where the module lies that an input holds: at its target, or, for an object of S3, under its name in the folder there. */
export function modulePath({ target, source }: Pick<InputDraft, "target" | "source">): string {
  if (source.type !== "s3" || /(?:^|[/*])$/u.test(source.key)) return target;
  return `${target.replace(/\/+$/u, "")}/${source.key.slice(source.key.lastIndexOf("/") + 1)}`;
}

/** As Bacalhau places a download: `target/<file name of the URL>`; a target that names the file already is kept. */
export function fileTarget(target: string, url: string): string {
  const name = fileName(url);
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
