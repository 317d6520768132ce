import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { DomainError, type EngineName, type NodeId } from "@skrei/domain";
import type { Bus } from "@skrei/platform/bus.ts";
import { systemClock, systemRandomness } from "@skrei/platform/clock.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { type Service, ServiceStack } from "@skrei/platform/lifecycle.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { AgentControlService } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { claimDataFolder } from "./adapters/data-lock.ts";
import { createDockerExecutor } from "./adapters/docker-executor.ts";
import { SqliteJournal } from "./adapters/execution-journal.ts";
import { createFetcherClient } from "./adapters/fetcher-client.ts";
import { machineCapacity, machineCores, machineLabels, machineName } from "./adapters/machine.ts";
import { openNodeIdentity, type NodeIdentity } from "./adapters/node-identity.ts";
import { OutputLogFolder } from "./adapters/output-logs.ts";
import { createProxyClient } from "./adapters/proxy-client.ts";
import { createPublisherClient } from "./adapters/publisher-client.ts";
import { SchedulerSession } from "./adapters/scheduler-session.ts";
import { ScratchFolders } from "./adapters/scratch-folders.ts";
import { WasmExecutor } from "./adapters/wasm-executor.ts";
import { agentControlHandlers } from "./api/agent-control.ts";
import type { ComputeAgentConfig } from "./config.ts";
import { Capacity } from "./domain/capacity.ts";
import { clusterUrls } from "./domain/cluster-urls.ts";
import { Bidding } from "./loops/bidding.ts";
import { DoorWatch } from "./loops/door-watch.ts";
import { endAllRuns, endMortalRuns } from "./loops/end-mortal-runs.ts";
import type { ExecutionParts } from "./loops/execution-parts.ts";
import { ExecutionRunner } from "./loops/execution-runner.ts";
import { HeldExecutions } from "./loops/held-executions.ts";
import { Leftovers } from "./loops/leftovers.ts";
import { OfferWatch } from "./loops/offer-watch.ts";
import { OrphanSweep } from "./loops/orphan-sweep.ts";
import { ReportOutbox } from "./loops/report-outbox.ts";
import { SchedulerLink } from "./loops/scheduler-link.ts";
import { StartsGate } from "./loops/starts-gate.ts";
import type { Clock, Executor } from "./ports.ts";

export interface AgentDependencies {
  readonly logger: Logger;
  /** Instead of those that `engines` names. */
  readonly executors?: (node: { readonly nodeId: NodeId; readonly markSecret: string }) => readonly Executor[];
  /** Instead of HTTP to `schedulerUrls`. */
  readonly joinTransport?: Transport;
  /** Instead of the bus that the scheduler names at the join. Not closed. */
  readonly bus?: Bus;
  readonly fetcher?: Transport;
  readonly proxy?: Transport;
  readonly publisher?: Transport;
  readonly clock?: Clock;
  /** The next start will know nothing of this node: what runs ends with the agent, containers as well. Default false. */
  readonly endsRunsAtStop?: boolean;
}

export interface AgentService extends Service {
  /** Only after `start`. */
  readonly nodeId: NodeId;
  /** Has a session with a scheduler. */
  readonly isReady: () => boolean;
  /** Resolves at the first join. */
  readonly joined: () => Promise<void>;
}

/** Wires a compute-agent. `start` resolves when what the journal holds goes on again; it joins the cluster from then on. */
export function createAgentService(config: ComputeAgentConfig, dependencies: AgentDependencies): AgentService {
  const stack = new ServiceStack();
  let running: { readonly identity: NodeIdentity; readonly link: SchedulerLink } | undefined;
  const require = (): { readonly identity: NodeIdentity; readonly link: SchedulerLink } => {
    if (running !== undefined) return running;
    throw new DomainError("unavailable", "SHUTTING_DOWN", "the agent is not running");
  };
  return {
    start: async () =>
      await stack.start(async (started) => {
        running = await startAgent(config, dependencies, started);
        started.defer(() => {
          running = undefined;
        });
      }),
    stop: async (reason) => await stack.stop(reason),
    get nodeId() {
      return require().identity.nodeId;
    },
    isReady: () => running?.link.session !== undefined,
    joined: async () => await require().link.joined,
  };
}

async function startAgent(
  configured: ComputeAgentConfig,
  dependencies: AgentDependencies,
  started: ServiceStack,
): Promise<{ identity: NodeIdentity; link: SchedulerLink }> {
  const { logger } = dependencies;
  const config = { ...configured, dataFolder: started.use(claimDataFolder(configured.dataFolder)).path };
  const identity = await openNodeIdentity(config.dataFolder);
  const parts = await buildParts(config, dependencies, { identity, started, link: () => link });
  const offers = new OfferWatch(parts);
  const runner = new ExecutionRunner(parts);
  const queuedExecutions = (): number => runner.queuedExecutions;
  const bidding = new Bidding({ ...parts, offers, queuedExecutions });
  const scheduler = started.use(
    new SchedulerSession({
      identity,
      joinToken: config.joinToken,
      joinTransports:
        dependencies.joinTransport === undefined
          ? config.schedulerUrls.map((url) => createHttpTransport({ url }))
          : [dependencies.joinTransport],
      connectBus: busConnector(dependencies, identity),
      routes: (router) => router.service(AgentControlService, agentControlHandlers({ ...parts, bidding, session: () => link.session })),
      clock: parts.clock,
    }),
  );
  const outbox = new ReportOutbox({ ...parts, scheduler });
  const node = describeNode(config, parts.capacity);
  const link = new SchedulerLink({ ...parts, node, scheduler, offers, outbox, random: systemRandomness.random });
  const sweep = new OrphanSweep({ ...parts, offers });

  await offers.look(OFFERS_WITHIN_MS);
  await sweep.sweep();
  runner.resume();
  const linking = new AbortController();
  parts.leftovers.addEnded(parts);
  const loops = [
    link.run(linking.signal),
    sweep.run(started.signal),
    parts.leftovers.run(started.signal),
    new DoorWatch(parts).run(started.signal),
  ];
  started.defer(async () => {
    await runner.stop();
    await endMortalRuns(parts);
    if (dependencies.endsRunsAtStop === true) await endAllRuns(parts);
    if (link.session !== undefined) await sayGoodbye(outbox, link.session.session, logger);
    linking.abort(new DomainError("cancelled", "SHUTTING_DOWN", "the agent is stopping"));
    await Promise.all(loops);
  });
  return { identity, link };
}

async function buildParts(
  config: ComputeAgentConfig,
  { logger, clock = systemClock, executors: given, ...remote }: AgentDependencies,
  { identity, started, link }: { readonly identity: NodeIdentity; readonly started: ServiceStack; readonly link: () => SchedulerLink },
): Promise<ExecutionParts> {
  const folder = (name: string): string => join(config.dataFolder, name);
  const journal = started.use(new SqliteJournal(folder("journal.db")));
  const held = new HeldExecutions({ journal, clock, logger });
  started.defer(() => held.close());
  const list = given?.(identity) ?? createExecutors(config, identity, clock);
  for (const executor of list) started.defer(() => executor.close());
  return {
    nodeId: identity.nodeId,
    held,
    executors: new Map(list.map((executor) => [executor.name, executor])),
    inputs: createFetcherClient(remote.fetcher ?? createHttpTransport({ url: config.fetcherUrl })),
    doors: createProxyClient(remote.proxy ?? createHttpTransport({ url: config.proxyUrl }), {
      nodeId: identity.nodeId,
      clusterUrls: async (signal) => clusterUrls(config, (await link().sessionWithin(signal)).clusterUrls),
    }),
    results: createPublisherClient(remote.publisher ?? createHttpTransport({ url: config.publisherUrl })),
    logs: new OutputLogFolder(folder("logs")),
    folders: new ScratchFolders(folder("executions")),
    capacity: new Capacity(capacityOf(config)),
    startsGate: new StartsGate(config.startsMax ?? 2 * machineCores()),
    leftovers: new Leftovers({ clock, clearMs: CLEAR_MS }),
    clock,
    random: systemRandomness.random,
    logger,
    limits: { stopGraceMs: config.stopGraceMs, keepFailedMs: config.keepFailedMs, clearMs: CLEAR_MS, engineAwayMs: ENGINE_AWAY_MS },
  };
}

function busConnector(
  { bus, logger }: AgentDependencies,
  { nodeId }: NodeIdentity,
): ConstructorParameters<typeof SchedulerSession>[0]["connectBus"] {
  if (bus === undefined) {
    return ({ urls, token, cluster }, signal) =>
      connectNatsBus({ urls, cluster, name: `agent ${nodeId}`, logger, signal, ...(token !== "" && { token }) });
  }
  // Whoever passed the bus in closes it.
  return async () => ({
    transport: (address) => bus.transport(address),
    serve: (...args) => bus.serve(...args),
    state: () => bus.state(),
    close: async () => undefined,
  });
}

function capacityOf({ dataFolder, capacityPercent, cpuMillis, memoryBytes, diskBytes }: ComputeAgentConfig): Capacity["total"] {
  const machine = machineCapacity(dataFolder, capacityPercent);
  return {
    cpuMillis: cpuMillis ?? machine.cpuMillis,
    memoryBytes: memoryBytes ?? machine.memoryBytes,
    diskBytes: diskBytes ?? machine.diskBytes,
  };
}

function describeNode(
  { nodeName, labels, engines }: ComputeAgentConfig,
  { total }: Capacity,
): ConstructorParameters<typeof SchedulerLink>[0]["node"] {
  const name = nodeName === "" ? machineName() : nodeName;
  const engineLabels = Object.fromEntries(engines.map((engine) => [`engine_${engine}`, "true"]));
  return { name, labels: { ...labels, ...machineLabels(), ...engineLabels, name }, capacity: total, version: VERSION };
}

/** The last states, if the scheduler takes them quickly; the next start reports them otherwise. */
async function sayGoodbye(outbox: ReportOutbox, session: string, logger: Logger): Promise<void> {
  try {
    await outbox.sendNext(session, AbortSignal.timeout(GOODBYE_MS));
  } catch (error) {
    logger.debug({ err: error }, "the last reports wait for the next start");
  }
}

function createExecutors(config: ComputeAgentConfig, { nodeId, markSecret }: NodeIdentity, clock: Clock): readonly Executor[] {
  const { dataFolder, inputsFolder, dockerHost, dockerUser, holdersIdleMax, pullTimeoutMs } = config;
  const folders = { readable: inputsFolder === undefined ? [] : [inputsFolder], writable: [join(dataFolder, "executions")] };
  const make: Readonly<Record<EngineName, () => Executor>> = {
    docker: () =>
      createDockerExecutor({
        host: dockerHost,
        nodeId,
        secret: markSecret,
        user: dockerUser,
        holdersIdleMax,
        slotsFolder: join(dataFolder, "holders"),
        pullTimeoutMs,
        clock,
      }),
    wasm: () => new WasmExecutor({ clock, cacheFolder: join(dataFolder, "wasm-cache"), ...(inputsFolder !== undefined && { folders }) }),
  };
  return config.engines.map((name) => make[name]());
}

const VERSION = "0.1.0";
/** At the start; an engine that takes longer is offered when it answers. */
const OFFERS_WITHIN_MS = 10_000;
const GOODBYE_MS = 2_000;
const CLEAR_MS = 15_000;
const ENGINE_AWAY_MS = 60_000;
