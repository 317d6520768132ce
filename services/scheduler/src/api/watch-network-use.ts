import { create } from "@bufbuild/protobuf";
import { isExecutionEnded } from "@skrei/domain";
import type { Execution, ExecutionId, Job } from "@skrei/domain";
import { WatchNetworkUseResponseSchema } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { WatchNetworkUseRequest, WatchNetworkUseResponse } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { NetworkedExecution } from "../ports.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findJob } from "./find-job.ts";
import { NodeNames } from "./node-names.ts";
import type { SharedNetworkUse } from "./shared-network-use.ts";
import { watchByLooking } from "./watch-by-looking.ts";
import type { WatchPlaces } from "./watch-places.ts";

/**
 * All, `synced`, then what differs from what this reader has; an empty message every 5 s. Pulled by the reader: one that is slow gets each
 * execution as it is when it reads again, and costs no more than a reference to each that has not ended.
 */
export async function* watchNetworkUse(
  deps: NetworkUseDeps,
  { jobId }: WatchNetworkUseRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchNetworkUseResponse> {
  const { commands, clock } = deps;
  using _place = deps.places.take(signal);
  const job = jobId === "" ? undefined : await findJob(deps.store, jobId);
  const reader: Reader = { job, sent: new Map(), newest: undefined, names: new NodeNames(deps) };
  yield* watchByLooking(
    { clock, signal },
    {
      waitForChange: (until) => commands.waitForNetworkUse(until),
      look: () => look(deps, reader),
      mark: (synced) => create(WatchNetworkUseResponseSchema, { synced }),
    },
  );
}

/** What the watches of one scheduler share, besides what every call has. */
interface NetworkUseDeps extends SchedulerApiDeps {
  readonly places: WatchPlaces;
  readonly shared: SharedNetworkUse;
}

interface Reader {
  readonly job: Job | undefined;
  /** Executions that have not ended as far as the reader knows; undefined: it has not heard of this one yet. */
  readonly sent: Map<ExecutionId, Execution | undefined>;
  /** Of the job: up to here the store was read. */
  newest: ExecutionId | undefined;
  readonly names: NodeNames;
}

async function* look(deps: NetworkUseDeps, reader: Reader): AsyncGenerator<WatchNetworkUseResponse> {
  for await (const executions of differences(deps, reader)) {
    if (executions.length === 0) continue;
    yield create(WatchNetworkUseResponseSchema, { executions: await deps.shared.messages(executions, reader.names) });
  }
}

async function* differences(deps: NetworkUseDeps, reader: Reader): AsyncGenerator<readonly NetworkedExecution[]> {
  const { job, sent } = reader;
  if (job !== undefined && job.spec.task.network.mode !== "none") yield* newOfJob(deps, reader, job);
  const changed = [...deps.shared.live().values()].flatMap(({ execution }) =>
    (job === undefined || execution.jobId === job.id) && sent.get(execution.id) !== execution ? [execution.id] : [],
  );
  for (let from = 0; from < changed.length; from += BATCH) {
    // Anew, since the reader may have taken its time for the batch before.
    const live = deps.shared.live();
    const batch = changed.slice(from, from + BATCH).flatMap((id) => live.get(id) ?? []);
    for (const { execution } of batch) sent.set(execution.id, execution);
    yield batch;
  }
  const live = deps.shared.live();
  const gone = [...sent.keys()].filter((id) => !live.has(id));
  for (let from = 0; from < gone.length; from += BATCH) yield await ended(deps, sent, gone.slice(from, from + BATCH));
}

/** Executions of the job that came since the last look; one that has not ended is told by the leader's memory. */
async function* newOfJob({ store }: SchedulerApiDeps, reader: Reader, { id, spec }: Job): AsyncGenerator<readonly NetworkedExecution[]> {
  for (;;) {
    const page = await store.listExecutions(id, reader.newest, BATCH);
    reader.newest = page.at(-1)?.id ?? reader.newest;
    for (const execution of page) if (!isExecutionEnded(execution.state)) reader.sent.set(execution.id, undefined);
    yield page.flatMap((execution) =>
      isExecutionEnded(execution.state) ? [{ execution, jobName: spec.name, network: spec.task.network }] : [],
    );
    if (page.length < BATCH) return;
  }
}

/** How those ended that are no longer among the live ones. */
async function ended(
  { store }: SchedulerApiDeps,
  sent: Reader["sent"],
  ids: readonly ExecutionId[],
): Promise<readonly NetworkedExecution[]> {
  const executions = (await Promise.all(ids.map((id) => store.getExecution(id)))).map((execution, i) => ({ execution, id: ids[i] }));
  const over = executions.flatMap(({ execution, id }) => {
    const isOver = execution === undefined || isExecutionEnded(execution.state);
    if (isOver && id !== undefined) sent.delete(id);
    return isOver && execution !== undefined ? [execution] : [];
  });
  const jobs = new Map((await store.getJobs([...new Set(over.map(({ jobId }) => jobId))])).map((job) => [job.id, job]));
  return over.flatMap((execution) => {
    const spec = jobs.get(execution.jobId)?.spec;
    return spec === undefined ? [] : [{ execution, jobName: spec.name, network: spec.task.network }];
  });
}

const BATCH = 100;
