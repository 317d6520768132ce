import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Network_Mode, type Task } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { writePolicyFile } from "../../test/kit/policy-file.ts";
import { startEmbeddedCluster } from "./embedded-cluster.ts";
import { median } from "./median.ts";

/**
 * What a network costs a whole Docker job, from submit to completed with its door opened and closed: a busybox that does nothing,
 * in mode none and in mode http, in turns. `node bench/src/network-job.ts [rounds]`
 */
const ROUNDS = Number(process.argv[2] ?? 20);
const HOST = "example.com";

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), "skrei-bench-"));
stack.defer(async () => await rm(folder, { recursive: true, force: true }));
const policyFile = join(folder, "policy.yaml");
await writePolicyFile(policyFile, { modes: ["none", "http"], domains: [HOST] });
const cluster = stack.use(await startEmbeddedCluster([`--network-policy-file=${policyFile}`]));

const tasks = { none: aTask(Network_Mode.NONE, []), http: aTask(Network_Mode.HTTP, [HOST]) };
const times = { none: [] as number[], http: [] as number[] };
for (const task of Object.values(tasks)) await cluster.jobMs(task, 1);
for (let round = 0; round < ROUNDS; round++) {
  for (const mode of ["none", "http"] as const) times[mode].push(await cluster.jobMs(tasks[mode], 1));
}
const [none, http] = [median(times.none), median(times.http)];
console.log(`${ROUNDS} rounds, medians, load average ${loadavg()[0]?.toFixed(1)}`);
console.log(
  `none ${none.toFixed(0)} ms   http ${http.toFixed(0)} ms   added ${(http - none).toFixed(0)} ms   ratio ${(http / none).toFixed(2)}`,
);

function aTask(mode: Network_Mode, domains: readonly string[]): Task {
  return {
    engine: { case: "docker", value: { image: "busybox", parameters: ["true"] } },
    resources: { cpuMillis: 100n, memoryBytes: 64n * 1_024n * 1_024n, diskBytes: 16n * 1_024n * 1_024n },
    network: { mode, domains },
  } as unknown as Task;
}
