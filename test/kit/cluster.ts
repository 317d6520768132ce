import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineName } from "@skrei/domain";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { onTestFailed, onTestFinished } from "vitest";
import { type CliOptions, type CliProcess, type CliResult, startCli } from "./cli-process.ts";
import { ClusterApi } from "./cluster-api.ts";
import { removeContainersOf } from "./docker-leftovers.ts";
import { DOCKER_HOST } from "./docker-host.ts";
import { type ProcessPlace, THIS_HOST } from "./process-place.ts";
import { type NatsServer, startNatsServer } from "./nats-server.ts";
import { type RedisServer, startRedisServer } from "./redis-server.ts";
import { type ServiceProcess, startServiceProcess } from "./service-process.ts";

type FlagTable = Readonly<Record<string, string | undefined>>;

export interface ClusterOptions {
  /** Default 2. */
  readonly nodes?: number;
  /** Default docker and wasm. */
  readonly engines?: readonly EngineName[];
  /** Default 10 s, generous because everything shares this machine's cores. */
  readonly heartbeatTimeoutMs?: number;
  /** Further flags. */
  readonly schedulerFlags?: FlagTable;
  readonly agentFlags?: FlagTable;
  readonly proxyFlags?: FlagTable;
  /** Where its processes run. Default: this host. */
  readonly place?: ProcessPlace;
  /** Where those run that look up names for others. Default: `place`. */
  readonly resolvingPlace?: ProcessPlace;
}

/** An agent with its node. */
export interface ClusterAgent extends ServiceProcess {
  readonly name: string;
  readonly nodeId: string;
  readonly dataFolder: string;
}

/** A cluster of real processes on this host, with nothing shared with any other. */
export interface Cluster extends ClusterApi, AsyncDisposable {
  /** Where the scheduler listens, for this process. */
  readonly url: string;
  readonly joinToken: string;
  /** Everything that the cluster writes is below; a place for a test's own files as well. */
  readonly folder: string;
  readonly nats: NatsServer;
  readonly redis: RedisServer;
  readonly scheduler: ServiceProcess;
  readonly publisher: ServiceProcess;
  readonly fetcher: ServiceProcess;
  readonly proxy: ServiceProcess;
  readonly agents: readonly ClusterAgent[];
  /** The URL of one of its processes, for this process. */
  reach(url: string): Promise<string>;
  /** The agent of a node id. */
  agentOf(nodeId: string): ClusterAgent;
  /** The flags of the scheduler, for another one that a test starts by itself. */
  readonly schedulerFlags: FlagTable;
  /** The flags of an agent, for one that a test starts by itself. */
  agentFlags(name: string, flags?: FlagTable): FlagTable;
  runCli(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** As `runCli`, for what happens while it runs. */
  startCli(args: readonly string[], options?: CliOptions): CliProcess;
  /** The end of every process' log. */
  describeLogs(): string;
}

/** Starts everything and resolves when all nodes are connected with their engines. Logs are printed when the test fails. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const parts = await startServices(options, stack);
  const { folder } = parts;
  const { place = THIS_HOST } = options;
  const url = await place.reach(parts.scheduler.url);
  const api = new ClusterApi(createHttpTransport({ url }));
  const names = Array.from({ length: options.nodes ?? 2 }, (_, index) => `node-${index + 1}`);
  const engines = options.engines ?? ["docker", "wasm"];
  const agentFlags = (name: string, flags: FlagTable = {}): FlagTable => ({
    ...flagsOfAgent(parts, { name, engines }),
    ...options.agentFlags,
    ...flags,
  });
  const started = names.map(async (name) =>
    stack.use(await startServiceProcess("compute-agent", agentFlags(name), { label: name, logFolder: parts.logFolder, place })),
  );
  const processes = await together(started);
  const nodes = await api.waitForNodes(names, engines);
  for (const { nodeId } of nodes) stack.defer(() => removeContainersOf(nodeId));
  // Before their containers go, or an agent would report what the test does to them.
  for (const process of processes) stack.use(process);
  const agents = processes.map((process, index) => asAgent(process, { name: names[index] ?? "", nodes, folder }));
  const all = [parts.scheduler, parts.publisher, parts.fetcher, parts.proxy, ...agents];
  let logs = (): string => all.map((process) => `--- ${process.label}\n${tailOf(process.log())}`).join("\n");
  // The folder goes first when the test has ended, so what was written is kept for a failure.
  stack.defer(() => {
    const kept = logs();
    logs = () => kept;
  });
  const env = { SKREI_SERVER: url, HOME: folder, XDG_CONFIG_HOME: join(folder, "config") };
  const start = (args: readonly string[], cli: CliOptions = {}): CliProcess =>
    startCli(args, { cwd: folder, ...cli, env: { ...env, ...cli.env } });
  const kept = stack.move();
  tieToTest(
    () => logs(),
    () => kept.disposeAsync(),
  );
  return Object.assign(api, {
    ...parts,
    url,
    agents,
    reach: (inner: string) => place.reach(inner),
    agentOf: (nodeId: string) => agents.find((agent) => agent.nodeId === nodeId) ?? fail(`no agent of ${nodeId}`),
    agentFlags,
    startCli: start,
    runCli: (args: readonly string[], cli?: CliOptions) => start(args, cli).done,
    describeLogs: () => logs(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  });
}

type ClusterServices = Pick<
  Cluster,
  "folder" | "joinToken" | "nats" | "redis" | "scheduler" | "schedulerFlags" | "publisher" | "fetcher" | "proxy"
> & {
  readonly logFolder: string;
};

async function startServices(
  { heartbeatTimeoutMs = 10_000, schedulerFlags: furtherFlags, proxyFlags, place = THIS_HOST, resolvingPlace = place }: ClusterOptions,
  stack: AsyncDisposableStack,
): Promise<ClusterServices> {
  const folder = await mkdtemp(join(tmpdir(), "skrei-cluster-"));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const logFolder = join(folder, "logs");
  await mkdir(logFolder);
  const [joinToken, busToken, linkSecret, publishToken] = [secret(), secret(), secret(), secret()];
  const start = async (name: string, flags: FlagTable, where = place): Promise<ServiceProcess> =>
    stack.use(await startServiceProcess(name, flags, { logFolder, place: where }));
  const nats = stack.use(await startNatsServer({ token: busToken, place }));
  const redis = stack.use(await startRedisServer({}, place));
  const publisher = await start("publisher", {
    "data-folder": join(folder, "publisher"),
    "link-secret": linkSecret,
    "publish-token": publishToken,
  });
  const [fetcher, proxy] = await together([
    start(
      "storage-fetcher",
      {
        "data-folder": join(folder, "fetcher"),
        "publisher-url": publisher.url,
        "publish-token": publishToken,
        // One publisher for the cluster and its nodes, as under compose.
        "node-publisher-url": publisher.url,
      },
      resolvingPlace,
    ),
    start("network-proxy", { "data-folder": join(folder, "proxy"), ...proxyFlags }, resolvingPlace),
  ]);
  const schedulerFlags = {
    "store-url": redis.url,
    "nats-url": nats.url,
    "nats-token": busToken,
    "join-token": joinToken,
    "link-secret": linkSecret,
    "publisher-url": publisher.url,
    "heartbeat-interval-ms": String(Math.min(1_000, Math.floor(heartbeatTimeoutMs / 4))),
    "heartbeat-timeout-ms": String(heartbeatTimeoutMs),
    ...furtherFlags,
  };
  const scheduler = await start("scheduler", schedulerFlags);
  return { folder, logFolder, joinToken, nats, redis, publisher, fetcher, proxy, scheduler, schedulerFlags };
}

/** Room for many small jobs, whatever this machine has. */
function flagsOfAgent(
  { folder, joinToken, scheduler, fetcher, proxy, publisher }: ClusterServices,
  { name, engines }: { readonly name: string; readonly engines: readonly EngineName[] },
): FlagTable {
  return {
    "listen-port": undefined,
    "scheduler-urls": scheduler.url,
    "join-token": joinToken,
    "node-name": name,
    "data-folder": join(folder, name),
    engines: engines.join(","),
    "docker-host": DOCKER_HOST,
    "cpu-millis": "4000",
    "memory-bytes": String(8 * 2 ** 30),
    "disk-bytes": String(32 * 2 ** 30),
    "stop-grace-ms": "1000",
    "fetcher-url": fetcher.url,
    "proxy-url": proxy.url,
    "publisher-url": publisher.url,
  };
}

function asAgent(
  process: ServiceProcess,
  {
    name,
    nodes,
    folder,
  }: { readonly name: string; readonly nodes: readonly { readonly name: string; readonly nodeId: string }[]; readonly folder: string },
): ClusterAgent {
  const nodeId = nodes.find((node) => node.name === name)?.nodeId ?? fail(`${name} has no node`);
  return Object.assign(process, { name, nodeId, dataFolder: join(folder, name) });
}

/** Waits for all of them even when one fails, so that everything that was started is known and can be stopped. */
async function together<const Promises extends readonly Promise<unknown>[]>(
  promises: Promises,
): Promise<{ -readonly [Key in keyof Promises]: Awaited<Promises[Key]> }> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

/**
 * A test that runs out of time never comes to its own clean-up, so it is done here too. In a hook there is no test; whoever shares a
 * cluster ends it and prints its logs itself.
 */
function tieToTest(logs: () => string, dispose: () => Promise<void>): void {
  try {
    onTestFailed(() => void process.stderr.write(`${logs()}\n`));
    onTestFinished(dispose, 60_000);
  } catch (error) {
    if (!/onTestFailed|onTestFinished/u.test(String(error))) throw error;
  }
}

/** What went wrong, however long ago, and the last that happened. */
function tailOf(log: string): string {
  const lines = log
    .trimEnd()
    .split("\n")
    .filter((line) => !line.includes('"event":"service.configured"'));
  const isNormal = /^\{"level":"(debug|info)"/u;
  const bad = lines.slice(0, -LOG_LINES_SHOWN).filter((line) => !isNormal.test(line));
  return [...bad.slice(-LOG_LINES_SHOWN), ...lines.slice(-LOG_LINES_SHOWN)].join("\n");
}

function secret(): string {
  return randomBytes(16).toString("hex");
}

function fail(message: string): never {
  throw new Error(message);
}

const LOG_LINES_SHOWN = 12;
