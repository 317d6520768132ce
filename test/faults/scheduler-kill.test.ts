import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { afterEach, expect, test } from "vitest";
import { startNatsServer } from "../kit/nats-server.ts";

const MAIN = fileURLToPath(new URL("../../services/scheduler/src/main.ts", import.meta.url));
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

test("what the process acknowledged is there after kill -9, and another start serves it", { timeout: 30_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "skrei-scheduler-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const nats = await startNatsServer();
  undo.push(async () => await nats[Symbol.asyncDispose]());
  const first = await launch(nats.url, join(folder, "state.db"));
  const jobs = createClient(JobService, createHttpTransport({ url: first.url }));
  const request = { requestId: "request-1", spec: { task: { engine: { case: "docker" as const, value: { image: "alpine" } } } } };
  const { job } = await submitted(() => jobs.submitJob(request));
  await first.kill();
  const second = await launch(nats.url, join(folder, "state.db"));
  const again = createClient(JobService, createHttpTransport({ url: second.url }));
  expect((await again.getJob({ jobId: job?.jobId ?? "" })).job?.spec?.name).toBe(job?.jobId);
  expect((await submitted(() => again.submitJob(request))).job?.jobId).toBe(job?.jobId);
});

/** A new process leads only when the lease of the last one has run out. */
async function submitted<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes("does not lead")) throw error;
      await once(AbortSignal.timeout(100), "abort");
    }
  }
}

async function launch(natsUrl: string, path: string): Promise<{ url: string; kill: () => Promise<void> }> {
  const flags = ["--listen-port=0", `--nats-url=${natsUrl}`, `--store-url=sqlite:${path}`, "--join-token=a-join-token-of-a-test"];
  const child = spawn(process.execPath, [MAIN, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  undo.push(kill);
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, url } = JSON.parse(line) as { event?: string; url?: string };
    if (event === "scheduler.listening" && url !== undefined) return { url, kill };
  }
  throw new Error("the scheduler ended before it listened");
}
