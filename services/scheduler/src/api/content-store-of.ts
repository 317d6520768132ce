import { DomainError } from "@skrei/domain";
import type { ContentStorePort } from "../ports.ts";
import type { SchedulerApiDeps } from "./deps.ts";

/** @throws DomainError precondition/FEATURE_NOT_AVAILABLE when this scheduler has no access to one. */
export function contentStoreOf({ contentStore }: Pick<SchedulerApiDeps, "contentStore">): ContentStorePort {
  if (contentStore !== undefined) return contentStore;
  throw new DomainError("precondition", "FEATURE_NOT_AVAILABLE", "This scheduler does not know what the cluster's content store keeps.", {
    hint: "Set publisherUrl and publishToken of the scheduler.",
  });
}
