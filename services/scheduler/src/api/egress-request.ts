import { DomainError, Violations } from "@skrei/domain";
import type { Network } from "@skrei/domain";
import type { Network as PbNetwork } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { draftNetwork } from "@skrei/wire/draft-network.ts";

/**
 * The URL as it was written, without a fragment; https without a scheme. Nothing is decoded or mended: the node's proxy judges it as
 * it would judge the request. @throws DomainError invalid/FIELD_REQUIRED, invalid/FIELD_INVALID. */
export function parseEgressUrl(text: string): string {
  if (text === "") throw invalidUrl("missing", "FIELD_REQUIRED");
  const whole = text.includes("://") ? text : `https://${text}`;
  const url = text.length > URL_LENGTH_MAX || !/^https?:\/\/[^\\\s\p{Cc}]+$/iu.test(whole) ? null : URL.parse(whole);
  if (url === null) throw invalidUrl(`found ${JSON.stringify(text.slice(0, 80))}`);
  if (url.username !== "" || url.password !== "") throw invalidUrl("found one with a user name or password");
  return whole.replace(/#.*$/u, "");
}

/** A network to try, by the rules of a job's. @throws DomainError invalid/FIELD_INVALID with all problems. */
export function parseTriedNetwork(pb: PbNetwork): Network {
  const found = new Violations();
  const network = draftNetwork(pb, found);
  // Here it is no part of a task.
  const violations = found.all.map((violation) => ({ ...violation, field: violation.field.replace(/^task\./u, "") }));
  const [first] = violations;
  if (first === undefined) return network;
  throw new DomainError("invalid", "FIELD_INVALID", `There is a problem at ${first.field}: ${first.message}.`, { violations });
}

function invalidUrl(found: string, reason: "FIELD_REQUIRED" | "FIELD_INVALID" = "FIELD_INVALID"): DomainError {
  const message = `${found}; allowed: an http or https URL of at most ${URL_LENGTH_MAX} characters without a user name`;
  return new DomainError("invalid", reason, `The URL has a problem: ${message}.`, { violations: [{ field: "url", message, reason }] });
}

const URL_LENGTH_MAX = 2_048;
