import { join } from "node:path";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { aShellJob, type JobParts, type JobSpecInit } from "./a-job.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { type Lab, startLab } from "./lab.ts";
import { type LabEngine, startLabEngine } from "./lab-engine.ts";
import { type PolicyKeys, writePolicyFile } from "./policy-file.ts";

export interface LabCluster {
  readonly lab: Lab;
  readonly cluster: Cluster;
  /** Undefined when it uses this host's. */
  readonly engine: LabEngine | undefined;
}

export interface LabClusterOptions {
  readonly policy: PolicyKeys;
  prepare(lab: Lab): Promise<void>;
  /** The lab gets a Docker engine of its own, with these images. Default: this host's, whose containers may have no network at all. */
  readonly engineImages?: readonly string[];
}

/** A cluster of one Docker node, all of it in a lab, for all tests of a file; nothing that one test did is seen by the next. */
export function useLabCluster({ policy, prepare, engineImages }: LabClusterOptions): () => LabCluster {
  let current: (LabCluster & AsyncDisposable) | undefined;
  let isOver = false;
  const get = (): LabCluster => {
    if (current === undefined) throw new Error("the cluster runs only while tests do");
    return current;
  };
  beforeAll(async () => {
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(await startLab());
    await prepare(lab);
    const policyFile = join(lab.folder, "policy.yaml");
    await writePolicyFile(policyFile, policy);
    const { place, resolvingPlace } = lab;
    const engine = engineImages === undefined ? undefined : stack.use(await startLabEngine(lab, engineImages));
    const cluster = stack.use(
      await startCluster({
        nodes: 1,
        engines: ["docker"],
        place,
        resolvingPlace,
        proxyFlags: { "policy-file": policyFile },
        agentFlags: { ...(engine !== undefined && { "docker-host": engine.dockerHost }) },
      }),
    );
    if (isOver) return;
    const kept = stack.move();
    current = { lab, cluster, engine, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  }, 120_000);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => void process.stderr.write(`${get().cluster.describeLogs()}\n`));
  });
  afterEach(async () => void (await current?.lab.takeSightings()));
  afterAll(async () => {
    // The hook that starts it may have run out of time and come to its end yet.
    isOver = true;
    await current?.[Symbol.asyncDispose]();
    current = undefined;
  }, 60_000);
  return get;
}

/** A shell job of the clients' image that reaches `domains`, and trusts the lab's origins if `authority` is given. */
export function aNetworkJob(
  script: string,
  { domains, authority, ...parts }: JobParts & { readonly domains: readonly string[]; readonly authority?: string },
): JobSpecInit {
  return aShellJob(script, {
    image: "skrei-clients:1",
    memoryBytes: 256 * 2 ** 20,
    network: { mode: Network_Mode.HTTP, domains: [...domains] },
    ...parts,
    env: { ...TRUST, ...parts.env },
    ...(authority !== undefined && {
      inputs: [{ target: AUTHORITY_PATH, source: { case: "inline", value: { data: Buffer.from(authority) } } }],
    }),
  });
}

const AUTHORITY_PATH = "/inputs/authority.pem";

/** Every client has a name of its own for it. */
const TRUST = Object.fromEntries(
  ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"].map((name) => [name, AUTHORITY_PATH]),
);
