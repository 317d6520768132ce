import { create } from "@bufbuild/protobuf";
import { contentIdRule, DomainError, isJobEnded, JOB_STATES } from "@skrei/domain";
import type { Job, JobId, Pin } from "@skrei/domain";
import { RemoveDataResponseSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { RemoveDataRequest, RemoveDataResponse } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { keeperOf, ownerOf } from "../domain/keeper.ts";
import { readRootsOf } from "../domain/read-roots.ts";
import type { StateStore } from "../ports.ts";
import { contentStoreOf } from "./content-store-of.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findKept } from "./find-kept.ts";
import { isKept, keptDataOf } from "./kept-data.ts";

/** Ends named pins and uploads. The bytes go with the next collection, unless something else keeps them. */
export async function removeData(deps: SchedulerApiDeps, request: RemoveDataRequest, signal: AbortSignal): Promise<RemoveDataResponse> {
  if (request.data === "") throw new DomainError("invalid", "FIELD_REQUIRED", "data is empty; a name or a content id is needed.");
  const isRoot = contentIdRule(request.data) === undefined;
  const pins = isRoot ? await pinsOfRoot(deps, request.data, signal) : await pinsOfName(deps, request.data, signal);
  await checkUnread(deps.store, new Set(pins.map(({ cid }) => cid)));
  const removed = await keptDataOf(deps.store, pins);
  if (!request.dryRun) await endPins(deps, pins, signal);
  return create(RemoveDataResponseSchema, { removed });
}

/** A job may come between the look and the end of the pins; then they are made again, for what they kept is still there. */
async function endPins(deps: SchedulerApiDeps, pins: readonly Pin[], signal: AbortSignal): Promise<void> {
  const contentStore = contentStoreOf(deps);
  await contentStore.unpin([...new Set(pins.map(({ owner }) => owner))], signal);
  try {
    await checkUnread(deps.store, new Set(pins.map(({ cid }) => cid)));
  } catch (error) {
    for (const { cid, owner, expiresAtMs } of pins) await contentStore.pin({ cid, owner, expiresAtMs }, signal);
    throw error;
  }
}

async function pinsOfName(deps: SchedulerApiDeps, name: string, signal: AbortSignal): Promise<readonly Pin[]> {
  const owner = ownerOf({ kind: "pin", name });
  const { pins } = await contentStoreOf(deps).pins({ ownerPrefix: owner, cid: "", pageSize: PINS_LOOKED_AT, pageToken: "" }, signal);
  const own = pins.filter((pin) => pin.owner === owner && isKept(pin, deps.clock.nowMs()));
  if (own.length > 0) return own;
  throw new DomainError("notFound", "RESULT_NOT_FOUND", `No data is kept under the name ${JSON.stringify(name.slice(0, 80))}.`, {
    hint: "List the data for its names and content ids.",
  });
}

async function pinsOfRoot(deps: SchedulerApiDeps, cid: string, signal: AbortSignal): Promise<readonly Pin[]> {
  const kept = await findKept(deps, cid, signal);
  const own = kept.filter(({ owner }) => ["upload", "pin"].includes(keeperOf(owner)?.kind ?? ""));
  if (own.length > 0) return own;
  const [first] = await keptDataOf(deps.store, kept.slice(0, 1));
  const whose = first === undefined || first.jobId === "" ? "an execution" : `job ${first.jobId}`;
  throw new DomainError("notFound", "RESULT_NOT_FOUND", `${cid} is kept as the result of ${whose} alone, and goes with it.`, {
    metadata: { jobId: first?.jobId ?? "" },
    hint: "Results go when the retention of their job is over.",
  });
}

/** From the store and not from the leader's memory, so that every replica can tell. */
async function checkUnread(store: StateStore, roots: ReadonlySet<string>): Promise<void> {
  const states = JOB_STATES.filter((state) => !isJobEnded(state));
  const reading: Job[] = [];
  let before: JobId | undefined;
  do {
    const page = await store.listJobs({ states, namespace: undefined, before, limit: JOBS_A_PAGE });
    reading.push(...page.filter((job) => [...readRootsOf([job])].some((cid) => roots.has(cid))));
    before = page.length < JOBS_A_PAGE ? undefined : page.at(-1)?.id;
  } while (before !== undefined && reading.length < JOBS_SHOWN);
  if (reading.length === 0) return;
  const ids = reading.slice(0, JOBS_SHOWN).map(({ id }) => id);
  throw new DomainError("precondition", "DATA_IN_USE", `A job that has not ended reads it: ${ids.join(", ")}.`, {
    metadata: { jobIds: ids.join(", ") },
    hint: "Wait for the job, or stop it first.",
  });
}

const PINS_LOOKED_AT = 10;
const JOBS_A_PAGE = 500;
const JOBS_SHOWN = 5;
