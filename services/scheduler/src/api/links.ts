import { DomainError } from "@skrei/domain";
import type { SchedulerApiConfig } from "./deps.ts";

/** An empty key would let anybody sign. */
export function checkLinks({ linkSecret, publicPublisherUrl }: SchedulerApiConfig): void {
  if (linkSecret !== "" && publicPublisherUrl !== "") return;
  throw new DomainError(
    "precondition",
    "FEATURE_NOT_AVAILABLE",
    "This scheduler makes no links: it has no link key or does not know the cluster's publisher.",
    {
      hint: "Set linkSecret and publisherUrl of the scheduler.",
    },
  );
}

export function baseUrl(url: string): string {
  return url.replace(/\/+$/u, "");
}
