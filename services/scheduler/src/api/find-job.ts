import { DomainError, parseJobId } from "@skrei/domain";
import type { Job, JobId } from "@skrei/domain";
import { closestNames, describeNames } from "../domain/closest-names.ts";
import type { StateStore } from "../ports.ts";

/**
 * The job that `reference` names: an id, a unique prefix of at least 4 characters after `j-`, or an exact name.
 * @throws DomainError notFound/JOB_NOT_FOUND with the closest candidates, precondition/JOB_AMBIGUOUS with all of them (at most 10).
 */
export async function findJob(store: StateStore, reference: string): Promise<Job> {
  const id = parseJobId(reference);
  const ids = id === undefined ? await idsOf(store, reference) : [id];
  if (ids.length > 1) throw await ambiguous(store, reference, ids);
  const job = ids[0] === undefined ? undefined : await store.getJob(ids[0]);
  if (job === undefined) throw await notFound(store, reference);
  return job;
}

async function idsOf(store: StateStore, reference: string): Promise<readonly JobId[]> {
  if (reference.length > 63) return [];
  const byPrefix = ID_PREFIX.test(reference) ? await store.findJobIds(reference, CANDIDATES_MAX) : [];
  return byPrefix.length > 0 ? byPrefix : await store.findJobIdsByName(reference, CANDIDATES_MAX);
}

async function ambiguous(store: StateStore, reference: string, ids: readonly JobId[]): Promise<DomainError> {
  const candidates = describeNames((await store.getJobs(ids)).map(named));
  return new DomainError(
    "precondition",
    "JOB_AMBIGUOUS",
    `"${reference}" names ${ids.length === CANDIDATES_MAX ? "at least " : ""}${ids.length} jobs.`,
    {
      metadata: { candidates },
      hint: `Use more characters of the id: ${candidates}.`,
    },
  );
}

async function notFound(store: StateStore, reference: string): Promise<DomainError> {
  const shown = reference.slice(0, 80);
  if (reference === "") return new DomainError("invalid", "FIELD_REQUIRED", "job_id is empty; an id, a prefix of one or a name is needed.");
  if (/^j-.{0,3}$/u.test(reference)) {
    return new DomainError("notFound", "JOB_NOT_FOUND", `No job is named "${shown}", and a prefix of an id needs 4 characters after j-.`, {
      hint: "Use more characters.",
    });
  }
  const recent = await store.listJobs({ states: [], namespace: undefined, before: undefined, limit: COMPARED_MAX });
  const candidates = describeNames(closestNames(reference, recent.map(named)));
  return new DomainError("notFound", "JOB_NOT_FOUND", `No job has the id, prefix or name "${shown}".`, {
    metadata: { candidates },
    hint: candidates === "" ? "List the jobs to see what there is." : `Closest: ${candidates}.`,
  });
}

function named({ id, spec }: Job): { id: string; name: string } {
  return { id, name: spec.name };
}

const ID_PREFIX = /^j-[0-9a-hjkmnp-tv-z]{4,26}$/u;
const CANDIDATES_MAX = 10;
/** Newest jobs among which a misspelt reference is looked for. */
const COMPARED_MAX = 200;
