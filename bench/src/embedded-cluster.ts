import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { Job_State } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { Task } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DOCKER_HOST } from "../../test/kit/docker-host.ts";

export interface EmbeddedCluster extends AsyncDisposable {
  /** From submit to the watch's word that it is completed. */
  jobMs(task: Task, count: number): Promise<number>;
}

/** The embedded cluster with one node, as a process of its own. */
export async function startEmbeddedCluster(flags: readonly string[] = []): Promise<EmbeddedCluster> {
  const main = join(import.meta.dirname, "../../services/standalone/src/main.ts");
  const child = spawn(process.execPath, [main, "--nodes=1", "--port=0", `--docker-host=${DOCKER_HOST}`, ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const { server } = JSON.parse(line) as { server: string };
    const jobs = createClient(JobService, createHttpTransport({ url: server }));
    return {
      jobMs: async (task, count) => {
        const startMs = performance.now();
        const { job } = await jobs.submitJob({ spec: { count, task } });
        for await (const update of jobs.watchJobs({ filter: `id:${job?.jobId ?? ""}` })) {
          const state = update.jobs.at(-1)?.state;
          if (state === Job_State.FAILED) throw new Error(`the job failed: ${update.jobs.at(-1)?.failure?.message ?? "no reason"}`);
          if (state === Job_State.COMPLETED) break;
        }
        return performance.now() - startMs;
      },
      [Symbol.asyncDispose]: async () => {
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      },
    };
  }
  throw new Error("the embedded cluster did not start");
}
