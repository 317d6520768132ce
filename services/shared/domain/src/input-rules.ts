import type { InputPartition } from "./input-partition.ts";
import type { InputSource, JobOutput, LocalSource, S3Source, Source } from "./job-spec.ts";
import { LIMITS } from "./limits.ts";
import { bucketRule, endpointRule, globRule, objectKeyRule, regionRule, versionIdRule } from "./object-grammar.ts";
import {
  absolutePathRule,
  contentIdRule,
  jobReferenceRule,
  outputNameRule,
  relativePathRule,
  sha256Rule,
  targetRule,
  textRule,
  urlRule,
} from "./spec-grammar.ts";
import type { Violations } from "./violations.ts";

export interface DraftInput extends Omit<InputSource, "source"> {
  readonly source: Source | JobOutput | undefined;
}

export function addInputViolations(inputs: readonly DraftInput[], violations: Violations): void {
  let inlineBytes = 0;
  for (const [index, input] of inputs.entries()) {
    addOneViolations(`task.inputs[${index}]`, input, violations);
    if (input.source?.type === "inline") inlineBytes += base64Bytes(input.source.dataBase64);
  }
  if (inlineBytes > LIMITS.inlineBytesMax) {
    violations.found(
      "task.inputs",
      `${inlineBytes} bytes inline`,
      `at most ${LIMITS.inlineBytesMax} bytes inline in all; upload larger data and refer to its content id`,
    );
  }
}

function addOneViolations(field: string, { alias, target, source, partition }: DraftInput, violations: Violations): void {
  if (alias.length > 255 || /\p{Cc}/u.test(alias) || !alias.isWellFormed())
    violations.found(`${field}.alias`, alias, "at most 255 characters, none of them control characters");
  violations.text(`${field}.target`, target, targetRule);
  if (source !== undefined) addSourceViolations(field, source, violations);
  if (partition === undefined) return;
  addPartitionViolations(`${field}.partition`, partition, violations);
  if (source?.type === "local" && source.isWritable === true)
    violations.add(`${field}.partition`, "found with a writable input; allowed: only with inputs that are read");
}

function addSourceViolations(field: string, source: Source | JobOutput, violations: Violations): void {
  switch (source.type) {
    case "inline":
      return;
    case "content":
      violations.text(`${field}.content.cid`, source.cid, contentIdRule);
      return violations.text(`${field}.content.path`, source.path, relativePathRule);
    case "local":
      return addLocalViolations(`${field}.local`, source, violations);
    case "http":
      violations.text(`${field}.http.url`, source.url, urlRule);
      return violations.text(`${field}.http.sha256`, source.sha256, sha256Rule);
    case "s3":
      return addS3Violations(`${field}.s3`, source, violations);
    case "job":
      return addJobOutputViolations(`${field}.job`, source, violations);
  }
}

function addLocalViolations(field: string, { path, isWritable = false, creates }: LocalSource, violations: Violations): void {
  violations.text(`${field}.path`, path, absolutePathRule);
  if (creates !== undefined && !isWritable)
    violations.add(`${field}.create`, "found without writable; allowed: only for an input that the task may write to");
}

function addS3Violations(field: string, source: S3Source, violations: Violations): void {
  violations.text(`${field}.bucket`, source.bucket, bucketRule);
  violations.text(`${field}.key`, source.key, objectKeyRule);
  violations.text(`${field}.filter`, source.filter, patternRule);
  violations.text(`${field}.region`, source.region, regionRule);
  violations.text(`${field}.endpoint`, source.endpoint, endpointRule);
  violations.text(`${field}.versionId`, source.versionId, versionIdRule);
  violations.text(`${field}.sha256`, source.sha256, sha256Rule);
  if (!/(?:^|[/*])$/u.test(source.key)) return;
  const allowed = "only with the key of one object, which does not end with / or *";
  if (source.versionId !== "") violations.found(`${field}.versionId`, source.versionId, allowed);
  if (source.sha256 !== "") violations.found(`${field}.sha256`, source.sha256, allowed);
}

function addJobOutputViolations(field: string, { job, output, partition }: JobOutput, violations: Violations): void {
  violations.text(`${field}.job`, job, jobReferenceRule);
  if (output !== "") violations.text(`${field}.output`, output, outputNameRule);
  if (partition !== undefined) violations.integer(`${field}.partition`, partition, { min: 0, max: LIMITS.partitionsMax - 1 });
}

/** What can be said without a library; whether patterns compile and layouts are dates is for whoever has one. */
function addPartitionViolations(field: string, partition: InputPartition, violations: Violations): void {
  violations.text(`${field}.glob`, partition.glob, globRule);
  switch (partition.by) {
    case "files":
    case "object":
      return;
    case "regex":
      return addNeededText(`${field}.pattern`, partition.pattern, violations);
    case "date":
      return addNeededText(`${field}.dateFormat`, partition.dateFormat, violations);
    case "substring": {
      const { startIndex, endIndex } = partition;
      violations.integer(`${field}.startIndex`, startIndex, { min: 0, max: LIMITS.objectKeyBytesMax - 1 });
      if (startIndex >= 0) violations.integer(`${field}.endIndex`, endIndex, { min: startIndex + 1, max: LIMITS.objectKeyBytesMax });
      return;
    }
    case "lines":
      return violations.integer(`${field}.headerLines`, partition.headerLines, { min: 0, max: LIMITS.headerLinesMax });
    case "bytes":
      return violations.integer(`${field}.recordBytes`, partition.recordBytes, { min: 1, max: LIMITS.recordBytesMax, unit: "bytes" });
  }
}

function addNeededText(field: string, text: string, violations: Violations): void {
  if (text === "") violations.add(field, "missing; allowed: what the files are divided by", "FIELD_REQUIRED");
  else violations.text(field, text, patternRule);
}

function patternRule(value: string): string | undefined {
  if (value.length > LIMITS.patternCharsMax) return `at most ${LIMITS.patternCharsMax} characters`;
  return textRule(value);
}

function base64Bytes(base64: string): number {
  return Math.floor((base64.replace(/=+$/u, "").length * 3) / 4);
}
