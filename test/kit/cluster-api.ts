import type { Client, Transport } from "@connectrpc/connect";
import type { EngineName, Execution, Job, JobEvent, JobState } from "@skrei/domain";
import { isJobEnded } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import { Node_Connection } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import type { Node } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { executionFromProto } from "@skrei/wire/execution.ts";
import { jobFromProto } from "@skrei/wire/job.ts";
import { jobEventFromProto } from "@skrei/wire/job-event.ts";
import type { JobSpecInit } from "./a-job.ts";
import { eventually } from "./eventually.ts";

export interface WaitOptions {
  /** Default 30 s. */
  readonly withinMs?: number;
}

/** The public API in the words that tests use: domain records, and waiting for states. */
export class ClusterApi {
  readonly jobs: Client<typeof JobService>;
  readonly nodes: Client<typeof NodeService>;
  readonly results: Client<typeof ResultService>;

  constructor(transport: Transport) {
    this.jobs = createClient(JobService, transport);
    this.nodes = createClient(NodeService, transport);
    this.results = createClient(ResultService, transport);
  }

  /** The job's id, once it is durable. */
  async submit(spec: JobSpecInit, requestId = ""): Promise<string> {
    const { job } = await this.jobs.submitJob({ spec, requestId });
    if (job === undefined) throw new Error("the answer has no job");
    return job.jobId;
  }

  async job(jobId: string): Promise<Job> {
    const { job } = await this.jobs.getJob({ jobId });
    if (job === undefined) throw new Error("the answer has no job");
    return jobFromProto(job);
  }

  /** Oldest first, of all versions. */
  async executions(jobId: string): Promise<readonly Execution[]> {
    const all = await pages(
      (pageToken) => this.jobs.listExecutions({ jobId, pageSize: 1_000, pageToken }),
      ({ executions }) => executions,
    );
    return all.map(executionFromProto);
  }

  async events(jobId: string): Promise<readonly JobEvent[]> {
    const all = await pages(
      (pageToken) => this.jobs.listJobEvents({ jobId, pageSize: 1_000, pageToken }),
      ({ events }) => events,
    );
    return all.map(jobEventFromProto);
  }

  /** @throws Error with the job's story when it ends in another state, or does not get there in time. */
  async waitForJob(jobId: string, state: JobState, { withinMs = 30_000 }: WaitOptions = {}): Promise<Job> {
    try {
      const job = await eventually(
        () => this.job(jobId),
        (last) => last.state === state || isJobEnded(last.state),
        { withinMs, everyMs: 50 },
      );
      if (job.state === state) return job;
      throw new Error(`${jobId} is ${job.state}`);
    } catch (error) {
      throw new Error(`${jobId} is not ${state}: ${await this.storyOf(jobId)}`, { cause: error });
    }
  }

  /** Waits until all are in a final state and gives them back. */
  async waitForEnd(jobIds: readonly string[], { withinMs = 60_000 }: WaitOptions = {}): Promise<readonly Job[]> {
    const ended = new Map<string, Job>();
    await eventually(
      async () => {
        for (const jobId of jobIds.filter((id) => !ended.has(id))) {
          const job = await this.job(jobId).catch(() => undefined); // The scheduler may be away just now.
          if (job === undefined || !isJobEnded(job.state)) break;
          ended.set(jobId, job);
        }
        return `${ended.size} of ${jobIds.length} jobs have ended`;
      },
      () => ended.size === jobIds.length,
      { withinMs, everyMs: 100 },
    ).catch(async (error: unknown) => {
      const open = jobIds.find((id) => !ended.has(id)) ?? "";
      throw new Error(`${String(error)}; ${await this.storyOf(open)}`, { cause: error });
    });
    return [...ended.values()];
  }

  /** Waits until the job has an execution of which `isSo` holds, and gives back the newest such. */
  async waitForExecution(
    jobId: string,
    isSo: (execution: Execution) => boolean,
    { withinMs = 30_000 }: WaitOptions = {},
  ): Promise<Execution> {
    const find = async (): Promise<Execution | undefined> => (await this.executions(jobId)).findLast(isSo);
    try {
      const found = await eventually(find, (execution) => execution !== undefined, { withinMs, everyMs: 50 });
      if (found !== undefined) return found;
    } catch (error) {
      throw new Error(`no such execution: ${await this.storyOf(jobId)}`, { cause: error });
    }
    throw new Error("eventually gave back what is not so");
  }

  runningExecution(jobId: string, options?: WaitOptions): Promise<Execution> {
    return this.waitForExecution(jobId, ({ state }) => state === "running", options);
  }

  /** Waits until all of them are connected and their engines answer. */
  async waitForNodes(
    names: readonly string[],
    engines: readonly EngineName[] = [],
    { withinMs = 30_000 }: WaitOptions = {},
  ): Promise<readonly Node[]> {
    const isReady = (node: Node): boolean =>
      node.connection === Node_Connection.CONNECTED &&
      engines.every((name) => node.engines.some((engine) => engine.name === name && engine.available));
    return await eventually(
      // No leader yet, or none just now.
      () =>
        this.nodes.listNodes({ pageSize: 1_000 }).then(
          ({ nodes }) => nodes,
          () => [],
        ),
      (nodes) => names.every((name) => nodes.some((node) => node.name === name && isReady(node))),
      { withinMs, everyMs: 50 },
    );
  }

  /** What happened to a job, for a message. */
  async storyOf(jobId: string): Promise<string> {
    try {
      const [job, executions, events] = [await this.job(jobId), await this.executions(jobId), await this.events(jobId)];
      const { state, failure, waiting, partitions } = job;
      return JSON.stringify({ state, failure, waiting, partitions, executions, events }, null, 1);
    } catch (error) {
      return String(error);
    }
  }
}

async function pages<Page extends { readonly nextPageToken: string }, Item>(
  read: (pageToken: string) => Promise<Page>,
  itemsOf: (page: Page) => readonly Item[],
): Promise<readonly Item[]> {
  const items: Item[] = [];
  let pageToken = "";
  do {
    const page = await read(pageToken);
    items.push(...itemsOf(page));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return items;
}
