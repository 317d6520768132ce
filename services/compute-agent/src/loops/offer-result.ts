import { DomainError, type ExecutionId, type Failure, hasReason, type Publisher } from "@skrei/domain";
import { idOf, type ExecutionRecord } from "../domain/execution-record.ts";
import { verdictAfterLaunch } from "../domain/failure-verdict.ts";
import type { Provenance, PublishedResult, PublishRequest } from "../ports.ts";
import type { ExecutionParts } from "./execution-parts.ts";
import { untilAvailable } from "./retry.ts";
import { TransferNotes } from "./transfer-notes.ts";

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

/** What became of a result that was to be published. */
export interface PublishOutcome {
  readonly manifestCid: string;
  /** Where the target has it. */
  readonly deliveryUrl?: string;
  /** The target refuses it for good; the cluster's store has it all the same. */
  readonly failure?: Failure;
}

/** Publishes a staged result; goes on for as long as the cluster's store or the target is away. */
export async function publishResult(record: ExecutionRecord, context: OfferContext): Promise<PublishOutcome> {
  try {
    return outcomeOf(await publishTo(record.assignment.job.task.publisher, record, context));
  } catch (error) {
    if (!hasReason(error, "TARGET_REFUSED") && !hasReason(error, "TARGET_NOT_OFFERED")) throw error;
    // It is there already; this asks for its manifest.
    const { manifestCid } = await publishTo({ type: "cluster" }, record, context);
    return { manifestCid, failure: verdictAfterLaunch(error).failure };
  }
}

/**
 * Publishes what is left of a run that failed, to the cluster's store first: the target gets it too if it does not take too long.
 * `onKept` is told each time it is somewhere.
 */
export async function publishFailed(
  record: ExecutionRecord,
  context: OfferContext,
  onKept: (outcome: PublishOutcome) => void,
): Promise<void> {
  onKept(outcomeOf(await publishTo({ type: "cluster" }, record, context)));
  const { publisher } = record.assignment.job.task;
  if (publisher.type !== "cluster") onKept(outcomeOf(await publishTo(publisher, record, context)));
}

function publishTo(publisher: Publisher, record: ExecutionRecord, { parts, signal }: OfferContext): Promise<PublishedResult> {
  const executionId = idOf(record);
  const request = { executionId, provenance: provenanceOf(record, parts), publisher };
  const onKept = (manifestCid: string): void => noteKept(executionId, manifestCid, parts);
  return patiently(record, { parts, signal }, (onProgress) => parts.results.publish({ ...request, onProgress, onKept }, signal));
}

/** A target may be away for days; whoever wants the result finds it in the cluster's store. */
function noteKept(executionId: ExecutionId, manifestCid: string, { held }: ExecutionParts): void {
  const observed = held.get(executionId)?.observed;
  if (observed?.state === "publishing" && observed.manifestCid !== manifestCid) held.note(executionId, { manifestCid });
}

function outcomeOf({ manifestCid, deliveryUrl }: PublishedResult): PublishOutcome {
  return { manifestCid, ...(deliveryUrl !== "" && { deliveryUrl }) };
}

async function patiently<T>(
  record: ExecutionRecord,
  { parts, signal }: OfferContext,
  attempt: (onProgress: PublishRequest["onProgress"]) => Promise<T>,
): Promise<T> {
  const { held, clock, random, logger } = parts;
  const executionId = idOf(record);
  using notes = new TransferNotes({ held, clock, executionId, kind: "result" });
  let bugs = 0;
  const onRetry = (error: DomainError, delayMs: number): void => {
    // A store that is away comes back; one that fails at this result in a way it did not expect may do so for ever.
    bugs = error.reason === "INTERNAL_ERROR" ? bugs + 1 : 0;
    if (bugs === BUGS_MAX) throw error;
    notes.waits(error);
    logger.warn({ executionId, err: error, delayMs }, "the result could not be handed over, trying again");
  };
  const onProgress = (progress: Parameters<PublishRequest["onProgress"]>[0]): void => notes.progress(progress);
  return await untilAvailable(() => attempt(onProgress), { clock, random, backoff: HAND_OVER_BACKOFF, signal, onRetry });
}

const HAND_OVER_BACKOFF = { firstMs: 500, maxMs: 30_000 };
/** In a row; about two minutes. */
const BUGS_MAX = 9;
/** stdout, stderr and exitCode come on top of what the task may write. */
const RESULT_BYTES_EXTRA = 64 * 1_024 * 1_024 + 4_096;

function provenanceOf({ assignment, observed }: ExecutionRecord, { nodeId }: ExecutionParts): Provenance {
  const { job, partition } = assignment;
  const { end = END_UNKNOWN, startedAtMs = 0, inputs = [] } = observed;
  return {
    jobId: job.jobId,
    jobVersion: job.jobVersion,
    partition,
    nodeId,
    engine: job.task.engine.name,
    imageDigest: end.imageDigest,
    inputDigests: Object.fromEntries(inputs.map(({ target, digest }) => [target, digest])),
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
