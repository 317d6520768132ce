import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Task } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DOCKER_HOST } from "../../test/kit/docker-host.ts";
import { startEmbeddedCluster } from "./embedded-cluster.ts";
import { median } from "./median.ts";

/**
 * One job after the other, from submit to completed with its result stored, in the embedded cluster with one node; next to the same
 * program bare, in turn with it: `docker run --rm --network none busybox true` and `node -e 0`. Then floods of many partitions.
 * `node bench/src/job-latency.ts [rounds]`
 */
const ROUNDS = Number(process.argv[2] ?? 20);
const FLOOD_PARTITIONS = 60;
const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

await using cluster = await startEmbeddedCluster();

const RESOURCES = { cpuMillis: 100n, memoryBytes: 64n * 1024n * 1024n, diskBytes: 16n * 1024n * 1024n };
const DOCKER = { engine: { case: "docker", value: { image: "busybox", parameters: ["true"] } }, resources: RESOURCES } as unknown as Task;
const WASM = {
  engine: { case: "wasm", value: { entryModule: "/noop.wasm" } },
  inputs: [{ target: "/noop.wasm", source: { case: "inline", value: { data: readFileSync(join(root, "test/wasm/noop.wasm")) } } }],
  resources: RESOURCES,
} as unknown as Task;

console.log(`${String(ROUNDS)} rounds, medians`);
console.log("engine   job ms   bare ms   ratio   flood jobs/s");
await compare(
  "docker",
  DOCKER,
  async () => await run("docker", ["-H", DOCKER_HOST, "run", "--rm", "--network", "none", "busybox", "true"]),
);
await compare("wasm", WASM, async () => await run(process.execPath, ["-e", "0"]));

async function compare(engine: string, task: Task, bare: () => Promise<unknown>): Promise<void> {
  await cluster.jobMs(task, 1);
  await bare();
  const [jobTimes, bareTimes]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    jobTimes.push(await cluster.jobMs(task, 1));
    const startMs = performance.now();
    await bare();
    bareTimes.push(performance.now() - startMs);
  }
  const floodMs = await cluster.jobMs(task, FLOOD_PARTITIONS);
  const [job, floor] = [median(jobTimes), median(bareTimes)];
  const cells = [job.toFixed(0).padStart(6), floor.toFixed(0).padStart(9), (job / floor).toFixed(2).padStart(7)];
  console.log(engine.padEnd(7), ...cells, ((FLOOD_PARTITIONS * 1000) / floodMs).toFixed(1).padStart(13));
}
