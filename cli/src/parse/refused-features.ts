import { DomainError } from "@skrei/domain";

/** Features of Bacalhau's job format that are not offered yet, by what they are and what to use instead. */
const SOURCES: Readonly<Record<string, string>> = {
  s3managed: "It is what results are called, not an input: job:ID/output names those of a job, a signed link works as urlDownload.",
};

const JOB_TYPES: Readonly<Record<string, string>> = {
  ops: "Offered: batch. A batch job with Count and Constraints runs on that many matching nodes' capacity.",
  service: "Offered: batch, which runs to its end.",
  daemon: "Offered: batch, which runs to its end.",
};

const NETWORKS: Readonly<Record<string, string>> = {
  bridge: "Offered: None, HTTP and Full. Nothing can connect to a job; HTTP with Domains lets it reach hosts.",
};

export function refuseSource(type: string): DomainError {
  return refusal(
    `Inputs of type ${type} are not offered by this version.`,
    SOURCES[type.toLowerCase()] ?? "Offered: upload, urlDownload, s3, inline, local, ipfs, content and job.",
  );
}

export function refuseJobType(type: string): DomainError {
  return refusal(`Jobs of type ${type} are not offered by this version.`, JOB_TYPES[type.toLowerCase()] ?? "Offered: batch.");
}

export function refuseNetwork(type: string): DomainError {
  return refusal(`Network type ${type} is not offered by this version.`, NETWORKS[type.toLowerCase()] ?? "Offered: None, HTTP and Full.");
}

export function refuseFeature(what: string, hint: string): DomainError {
  return refusal(`${what} not offered by this version.`, hint);
}

/** True when the word names a feature of the format, not a mistake. */
export const isKnownSource = (type: string): boolean => Object.hasOwn(SOURCES, type.toLowerCase());
export const isKnownJobType = (type: string): boolean => Object.hasOwn(JOB_TYPES, type.toLowerCase());
export const isKnownNetwork = (type: string): boolean => Object.hasOwn(NETWORKS, type.toLowerCase());

function refusal(message: string, hint: string): DomainError {
  return new DomainError("invalid", "FEATURE_NOT_AVAILABLE", message, { hint });
}
