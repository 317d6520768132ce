import { create } from "@bufbuild/protobuf";
import type { Execution, ExecutionId, Job, Pin } from "@skrei/domain";
import { KeptData_Kind, KeptDataSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { KeptData } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { timestampFromMs } from "@skrei/wire/time.ts";
import { inTurns } from "../domain/in-turns.ts";
import { keeperOf } from "../domain/keeper.ts";
import { resultExpiresAtMs } from "../domain/result-expiry.ts";
import type { StateStore } from "../ports.ts";

/** The pins as people see them, with the jobs that they come from, in the same order. */
export async function keptDataOf(store: StateStore, pins: readonly Pin[]): Promise<KeptData[]> {
  const ids = [...new Set(pins.flatMap(({ owner }) => executionIdOf(owner) ?? []))];
  const found = await inTurns(ids, LOOKUPS_AT_ONCE, (id) => store.getExecution(id));
  const executions = new Map(found.flatMap((execution) => (execution === undefined ? [] : [[execution.id, execution]])));
  const jobIds = [...new Set(Array.from(executions.values(), ({ jobId }) => jobId))];
  const jobs = new Map((jobIds.length === 0 ? [] : await store.getJobs(jobIds)).map((job) => [job.id, job]));
  return pins.map((pin) => {
    const id = executionIdOf(pin.owner);
    const execution = id === undefined ? undefined : executions.get(id);
    return keptDataFrom(pin, { execution, job: execution === undefined ? undefined : jobs.get(execution.jobId) });
  });
}

function executionIdOf(owner: string): ExecutionId | undefined {
  const keeper = keeperOf(owner);
  return keeper?.kind === "execution" ? (keeper.id as ExecutionId) : undefined;
}

/** Unspecified for an owner of another making. */
export function kindOf({ owner, cid }: Pick<Pin, "owner" | "cid">): KeptData_Kind {
  switch (keeperOf(owner)?.kind) {
    case "execution":
      // A manifest is one raw block, a result a folder; both keep their kind when their job is long gone.
      return cid.startsWith(RAW_SHA256_PREFIX) ? KeptData_Kind.MANIFEST : KeptData_Kind.RESULT;
    case "upload":
      return KeptData_Kind.UPLOAD;
    case "pin":
      return KeptData_Kind.PIN;
    case undefined:
      return KeptData_Kind.UNSPECIFIED;
  }
}

/** Expired pins are there until the next collection, and mean nothing. */
export function isKept({ expiresAtMs }: Pick<Pin, "expiresAtMs">, nowMs: number): boolean {
  return expiresAtMs === undefined || expiresAtMs > nowMs;
}

function keptDataFrom(pin: Pin, { execution, job }: { execution: Execution | undefined; job: Job | undefined }): KeptData {
  const keeper = keeperOf(pin.owner);
  const expiresAtMs = earlierOf(pin.expiresAtMs, job === undefined ? undefined : resultExpiresAtMs(job));
  return create(KeptDataSchema, {
    cid: pin.cid,
    kind: kindOf(pin),
    name: keeper?.kind === "pin" ? keeper.name : "",
    jobId: execution?.jobId ?? "",
    executionId: keeper?.kind === "execution" ? keeper.id : "",
    sizeBytes: BigInt(pin.sizeBytes),
    createTime: timestampFromMs(pin.createdAtMs),
    ...(expiresAtMs !== undefined && { expireTime: timestampFromMs(expiresAtMs) }),
  });
}

function earlierOf(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

const LOOKUPS_AT_ONCE = 16;
/** CIDv1 in base32 of one raw block, by SHA-256. */
const RAW_SHA256_PREFIX = "bafkrei";
