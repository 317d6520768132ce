import { DomainError } from "@skrei/domain";
import { isIP } from "node:net";
import { judgeStatus } from "../domain/http-retry.ts";
import type { Fetched, FetchTarget, SourceAdapter, SourceOf } from "../ports.ts";
import { type DownloadSettings, HttpDownload } from "./http-download.ts";
import { parseHttpUrl, requestOrigin } from "./http-request.ts";

/** Files at http and https URLs. */
export function createHttpSource(settings: DownloadSettings): SourceAdapter<"http"> {
  return {
    resumes: true,
    keyOf: ({ sha256 }) => (sha256 === "" ? undefined : `sha256:${sha256}`),
    check: ({ url }) => {
      const { hostname, host } = parseHttpUrl(url, undefined);
      const literal = hostname.replace(/^\[|\]$/gu, "");
      if (isIP(literal) !== 0) settings.policy.check(literal, host);
    },
    estimate: async ({ url }, signal) => await sizeOf(url, settings, signal),
    fetch: async (source, target) => await fetchFile(source, target, settings),
  };
}

async function fetchFile({ url, sha256 }: SourceOf<"http">, target: FetchTarget, settings: DownloadSettings): Promise<Fetched> {
  const fetched = await new HttpDownload(url, target, settings).run();
  if (fetched.kind === "fetched" && sha256 !== "" && fetched.digest !== `sha256:${sha256}`) {
    target.partial?.drop();
    throw new DomainError("corrupt", "SOURCE_DIGEST_MISMATCH", `${url} has the digest ${fetched.digest}, not sha256:${sha256}.`, {
      hint: "The file changed or was damaged; correct the sha256 of the input if the change is wanted.",
    });
  }
  return fetched;
}

async function sizeOf(url: string, { policy, answerTimeoutMs }: DownloadSettings, signal: AbortSignal): Promise<number> {
  try {
    const { response } = await requestOrigin(url, { method: "HEAD", headers: {}, policy, answerTimeoutMs, signal });
    response.destroy();
    return judgeStatus(response.statusCode ?? 0) === "body" ? Number(response.headers["content-length"] ?? 0) : 0;
  } catch (error) {
    if (error instanceof DomainError) throw error;
    // An estimate may be missing; the fetch itself will say what is wrong.
    return 0;
  }
}
