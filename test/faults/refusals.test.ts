import { expect, test } from "vitest";
import { aShellJob } from "../kit/a-job.ts";
import { startCluster } from "../kit/cluster.ts";
import { eventually } from "../kit/eventually.ts";
import { freePort } from "../kit/free-port.ts";
import { startNatsServer } from "../kit/nats-server.ts";
import { startRedisServer } from "../kit/redis-server.ts";
import { startServiceProcess } from "../kit/service-process.ts";

test("a second agent with the same data folder is refused, and the first goes on", async () => {
  await using cluster = await startCluster({ nodes: 1, engines: ["wasm"] });
  const second = startServiceProcess("compute-agent", cluster.agentFlags("node-1"), { label: "second" });
  await expect(second).rejects.toThrow(/DATA_LOCKED/u);
  expect((await cluster.nodes.listNodes({})).nodes).toMatchObject([{ name: "node-1", connection: 1 }]);
});

test.each([
  ["appendfsync", { appendfsync: "everysec" }],
  ["appendonly", { appendonly: "no" }],
  ["maxmemory-policy", { maxmemory: "100mb", "maxmemory-policy": "allkeys-lru" }],
])("a store that could lose acknowledged writes by its %s is refused at the start, by that name", async (setting, settings) => {
  await using nats = await startNatsServer();
  await using redis = await startRedisServer(settings);
  const starting = startServiceProcess("scheduler", { "nats-url": nats.url, "store-url": redis.url, "join-token": "0123456789abcdef" });
  const refusal = await starting.then(
    async (process) => {
      await process.kill();
      return "it started";
    },
    (error: unknown) => String(error),
  );
  expect(refusal).toContain("STORE_SETTINGS_UNSAFE");
  expect(refusal).toContain(setting);
});

test("a scheduler whose store does not answer says so and ends, instead of pretending", async () => {
  await using nats = await startNatsServer();
  const storeUrl = `redis://127.0.0.1:${await freePort()}`;
  const starting = startServiceProcess("scheduler", { "nats-url": nats.url, "store-url": storeUrl, "join-token": "0123456789abcdef" });
  const refusal = await starting.then(
    async (process) => {
      await process.kill();
      return "it started";
    },
    (error: unknown) => String(error),
  );
  expect(refusal).toContain("STORE_UNAVAILABLE");
});

test("a command whose server goes away in mid-stream says so and how to go on, and ends with 5", async () => {
  await using cluster = await startCluster({ nodes: 1, engines: ["docker"] });
  const jobId = await cluster.submit(aShellJob("while :; do echo alive; sleep 0.2; done"));
  await using following = cluster.startCli(["job", "logs", jobId, "--follow"]);
  await eventually(following.stdout, (text) => text.includes("alive"), { withinMs: 30_000 });
  await cluster.scheduler.kill();
  const { code, stderr } = await following.done;
  expect(code).toBe(5);
  expect(stderr).toContain("UNREACHABLE");
  expect(stderr).toContain("fix:");
  const refused = await cluster.runCli(["job", "list"]);
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain(cluster.url);
});

test("a write while the store stands still is not acknowledged, and is there once when it is sent again", async () => {
  await using cluster = await startCluster({ nodes: 1, engines: ["wasm"] });
  cluster.redis.pause();
  const unanswered = await cluster.jobs
    .submitJob({ spec: aShellJob("true"), requestId: "through-a-pause" }, { timeoutMs: 1_500 })
    .catch((error: unknown) => error);
  expect(unanswered).toMatchObject({ kind: expect.stringMatching(/timeout|unavailable/u) as string });
  cluster.redis.resume();
  const submit = (): Promise<string> => cluster.submit(aShellJob("true"), "through-a-pause").catch(() => "");
  const jobId = await eventually(submit, (id) => id !== "", { withinMs: 60_000, everyMs: 100 });
  expect((await cluster.jobs.listJobs({})).jobs.map((job) => job.jobId)).toEqual([jobId]);
});
