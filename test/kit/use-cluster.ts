import { afterAll, beforeAll, beforeEach } from "vitest";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";

/** One cluster for all tests of a file; its logs are printed with each test that fails. */
export function useCluster(options: ClusterOptions = {}): () => Cluster {
  let cluster: Cluster | undefined;
  const get = (): Cluster => {
    if (cluster === undefined) throw new Error("the cluster runs only while tests do");
    return cluster;
  };
  beforeAll(async () => {
    cluster = await startCluster(options);
  }, 120_000);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => void process.stderr.write(`${get().describeLogs()}\n`));
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    cluster = undefined;
  }, 60_000);
  return get;
}
