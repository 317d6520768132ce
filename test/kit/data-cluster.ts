import type { ExecutionId, JobId } from "@skrei/domain";
import { aShellJob, type JobSpecInit } from "./a-job.ts";
import { type Published, startContentStore, type TestContentStore } from "./content-store.ts";
import { eventually } from "./eventually.ts";
import { MovedClock } from "./moved-clock.ts";
import { type ApiCluster, type JoinedNode, startApiCluster } from "./scheduler-api.ts";

/** A scheduler's API over a real content store, with a clock that a test sets forward, and one scripted node. */
export interface DataCluster extends AsyncDisposable {
  readonly api: ApiCluster;
  readonly node: JoinedNode;
  readonly contentStore: TestContentStore;
  readonly clock: MovedClock;
  /** A job that has completed with a published result. */
  completedJob(files: Readonly<Record<string, string>>, spec?: JobSpecInit): Promise<CompletedJob>;
  /** A job that has not ended and reads this. */
  jobReading(cid: string): Promise<JobId>;
}

export interface CompletedJob extends Published {
  readonly jobId: JobId;
  readonly executionId: ExecutionId;
}

export async function startDataCluster(): Promise<DataCluster> {
  await using stack = new AsyncDisposableStack();
  const clock = new MovedClock();
  const contentStore = stack.use(await startContentStore(clock));
  const api = stack.use(
    await startApiCluster({
      contentStore: contentStore.port,
      // Without a gateway, blocks come by the transport.
      config: { publisherUrl: "" },
      publisherTransport: () => contentStore.transport,
      clock,
    }),
  );
  const node = await api.join("n1");
  const owned = stack.move();

  const submitted = async (spec: JobSpecInit): Promise<{ jobId: JobId; executionId: ExecutionId; epoch: number }> => {
    const { job } = await api.jobs.submitJob({ spec });
    const jobId = (job?.jobId ?? "") as JobId;
    const held = await eventually(
      () => [...api.agents.assignments.values()].find((assignment) => assignment.job.jobId === jobId),
      (assignment) => assignment !== undefined,
      { withinMs: 10_000 },
    );
    return { jobId, executionId: held?.executionId ?? ("" as ExecutionId), epoch: held?.epoch ?? 0 };
  };

  return {
    api,
    node,
    contentStore,
    clock,
    completedJob: async (files, spec = aShellJob("true")) => {
      const { jobId, executionId, epoch } = await submitted(spec);
      const { cid, manifestCid } = await contentStore.publish(executionId, files);
      const times = { startedAtMs: Date.now(), endedAtMs: Date.now() };
      await node.report([{ executionId, epoch, state: "completed", exitCode: 0, resultCid: cid, resultBytes: 1, manifestCid, ...times }]);
      await eventually(
        async () => (await api.jobs.getJob({ jobId })).job?.endTime,
        (time) => time !== undefined,
        { withinMs: 10_000 },
      );
      return { jobId, executionId, cid, manifestCid };
    },
    jobReading: async (cid) => {
      const inputs = [{ target: "/in", source: { case: "content" as const, value: { cid } } }];
      return (await submitted(aShellJob("sleep 1000", { inputs }))).jobId;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
