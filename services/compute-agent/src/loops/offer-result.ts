import { DomainError, hasReason } from "@skrei/domain";
import { idOf, type ExecutionRecord } from "../domain/execution-record.ts";
import type { Provenance } from "../ports.ts";
import type { ExecutionParts } from "./execution-parts.ts";
import { untilAvailable } from "./retry.ts";

interface OfferContext {
  readonly parts: ExecutionParts;
  readonly signal: AbortSignal;
}

/** Has the result folder hashed and taken over by the publisher, and keeps its content id. */
export async function stageResult(record: ExecutionRecord, { parts, signal }: OfferContext): Promise<void> {
  const { held, folders, results, logger } = parts;
  const executionId = idOf(record);
  const exitCode = record.observed.end?.exitCode;
  const bytesMax = record.assignment.job.task.resources.diskBytes + RESULT_BYTES_EXTRA;
  const staged = await patiently(record, { parts, signal }, async () => {
    // Once it was staged the folder is the publisher's, and is not here any more.
    if (exitCode !== undefined) await folders.writeExitCode(executionId, exitCode).catch(ignoreMissing);
    return await results.stage({ executionId, folder: folders.of(executionId).resultFolder, bytesMax }, signal);
  });
  if (staged.skippedPaths.length > 0) {
    logger.warn(
      { executionId, path: staged.skippedPaths[0] ?? "", count: staged.skippedPaths.length },
      "left files out of a result that are neither file, folder nor link",
    );
  }
  held.note(executionId, { result: { cid: staged.cid, sizeBytes: staged.sizeBytes } });
}

/** Publishes a staged result; goes on for as long as the cluster's store is away. Gives the manifest's content id. */
export async function publishResult(record: ExecutionRecord, { parts, signal }: OfferContext): Promise<string> {
  const provenance = provenanceOf(record, parts);
  const published = await patiently(record, { parts, signal }, () =>
    parts.results.publish({ executionId: idOf(record), provenance }, signal),
  );
  return published.manifestCid;
}

function patiently<T>(record: ExecutionRecord, { parts, signal }: OfferContext, attempt: () => Promise<T>): Promise<T> {
  let bugs = 0;
  const onRetry = (error: unknown, delayMs: number): void => {
    // A store that is away comes back; one that fails at this result in a way it did not expect may do so for ever.
    bugs = hasReason(error, "INTERNAL_ERROR") ? bugs + 1 : 0;
    if (bugs === BUGS_MAX) throw error;
    parts.logger.warn({ executionId: idOf(record), err: error, delayMs }, "the result could not be handed over, trying again");
  };
  return untilAvailable(attempt, { clock: parts.clock, backoff: HAND_OVER_BACKOFF, signal, onRetry });
}

const HAND_OVER_BACKOFF = { firstMs: 500, maxMs: 30_000 };
/** In a row; about two minutes. */
const BUGS_MAX = 9;
/** stdout, stderr and exitCode come on top of what the task may write. */
const RESULT_BYTES_EXTRA = 64 * 1_024 * 1_024 + 4_096;

function provenanceOf({ assignment, observed }: ExecutionRecord, { nodeId }: ExecutionParts): Provenance {
  const { job, partition } = assignment;
  const { end = END_UNKNOWN, startedAtMs = 0, inputDigests = {} } = observed;
  return {
    jobId: job.jobId,
    jobVersion: job.jobVersion,
    partition,
    nodeId,
    engine: job.task.engine.name,
    imageDigest: end.imageDigest,
    inputDigests,
    exitCode: end.exitCode ?? EXIT_CODE_UNKNOWN,
    startedAtMs: end.startedAtMs === 0 ? startedAtMs : end.startedAtMs,
    endedAtMs: end.endedAtMs,
  };
}

/** Of a run that could not be taken up again. */
const END_UNKNOWN = { exitCode: undefined, imageDigest: "", startedAtMs: 0, endedAtMs: 0 };
/** What shells say for a program that was ended from outside. */
const EXIT_CODE_UNKNOWN = 255;

function ignoreMissing(error: unknown): void {
  if ((error as { code?: string }).code !== "ENOENT")
    throw new DomainError("exhausted", "STORE_FULL", "the exit code could not be written", { cause: error });
}
