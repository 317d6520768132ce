import { lchown } from "node:fs/promises";
import Docker from "dockerode";
import type { Engine, ExecutionId, NodeEngine, NodeId } from "@skrei/domain";
import { DomainError } from "@skrei/domain";
import type { Clock, Executor, HeldRun, OutputSink, RunEnd, RunSpec } from "../ports.ts";
import { awaitExit } from "./docker/await-exit.ts";
import { containerName, containerOptions, dockerEngine } from "./docker/container-options.ts";
import { demultiplex } from "./docker/demultiplex.ts";
import { measureDiskUse } from "./docker/disk-watch.ts";
import { abortable, engineCall, refusalText, statusOf } from "./docker/engine-call.ts";
import { ensureHolderImage } from "./docker/holder-image.ts";
import { HolderPool } from "./docker/holder-pool.ts";
import { type ImageFacts, ImageStore } from "./docker/image-store.ts";
import { wasEndedFromOutside } from "./docker/outside-end.ts";
import { runEnd, startError } from "./docker/run-end.ts";
import { holderOf, TaskContainers } from "./docker/task-container.ts";

const CALL_TIMEOUT_MS = 60_000;
const PROBE_TIMEOUT_MS = 5_000;
/** The attach stream ends with the container; when it does not, the output so far counts. */
const OUTPUT_END_TIMEOUT_MS = 30_000;
const DISK_WATCH_INTERVAL_MS = 1_000;

export interface DockerExecutorOptions {
  /** `unix:///var/run/docker.sock` or `http://host:port`. */
  readonly host: string;
  readonly nodeId: NodeId;
  /** Known to this node only; marks its containers. */
  readonly secret: string;
  /** `uid:gid` of tasks. The agent must be able to give folders to it. */
  readonly user: string;
  /** Network holders kept ready. */
  readonly holdersIdleMax: number;
  readonly pullTimeoutMs: number;
  readonly clock: Clock;
}

/** A container and the holder whose network it joined. */
interface Place {
  readonly containerId: string;
  readonly holderId: string;
}

/** One container, from prepare to remove. */
interface Run extends Place {
  readonly spec: RunSpec;
  /** Ends everything that this process does for the run; not the run itself. */
  readonly leaving: AbortController;
  output: Promise<void>;
  end: Promise<RunEnd> | undefined;
  isOverDisk: boolean;
  /** Asked to end by us. */
  isStopped: boolean;
}

/** Runs tasks as containers of a Docker engine, each in the network namespace of a holder. One per node and engine. */
export function createDockerExecutor(options: DockerExecutorOptions): Executor {
  return new DockerExecutor(options);
}

class DockerExecutor implements Executor {
  readonly name = "docker";
  readonly #options: DockerExecutorOptions;
  readonly #docker: Docker;
  readonly #containers: TaskContainers;
  readonly #images: ImageStore;
  readonly #holders: HolderPool;
  readonly #runs = new Map<ExecutionId, Run>();
  /** The engine refuses a task more than it has, though an operator may offer more than that. */
  #cores = Number.POSITIVE_INFINITY;
  #setUp: Promise<void> | undefined;
  #warming: Promise<void> = Promise.resolve();

  constructor(options: DockerExecutorOptions) {
    this.#options = options;
    this.#docker = connect(options.host);
    this.#containers = new TaskContainers(this.#docker, options);
    this.#images = new ImageStore(this.#docker, options);
    this.#holders = new HolderPool(this.#docker, { labels: this.#containers.holderLabels(), idleMax: options.holdersIdleMax });
  }

  async start(): Promise<void> {
    // An engine that is down now may come up later: `probe` says so, and the next call tries again.
    await this.#ensureSetUp().catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const run of this.#runs.values()) run.leaving.abort(new DomainError("cancelled", "SHUTTING_DOWN", "the agent is stopping"));
    await Promise.allSettled([...this.#runs.values()].map(({ output }) => output));
    this.#runs.clear();
    await this.#warming;
    await this.#holders.close();
  }

  async probe(): Promise<NodeEngine> {
    try {
      const { Version } = await engineCall("version", PROBE_TIMEOUT_MS, () => this.#docker.version());
      await this.#ensureSetUp();
      return { name: this.name, version: Version, isAvailable: true, message: "" };
    } catch (error) {
      return { name: this.name, version: "", isAvailable: false, message: error instanceof Error ? error.message : String(error) };
    }
  }

  async checkImage(engine: Engine): Promise<{ isPresent: boolean }> {
    return { isPresent: engine.name === "docker" && (await this.#images.find(engine.image)) !== undefined };
  }

  async prepare(spec: RunSpec, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#runs.has(spec.executionId)) return;
    await this.#ensureSetUp();
    const image = await abortable(this.#images.ensure(dockerEngine(spec).image), signal);
    const found = await this.#containers.find(spec.executionId);
    this.#track(spec, found === undefined ? await this.#create(spec, image) : placeOf(found));
    signal.throwIfAborted();
  }

  async launch(spec: RunSpec, sink: OutputSink, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const run = this.#runOf(spec.executionId);
    try {
      await this.#attachAndStart(run, sink);
    } catch (error) {
      if (!isHolderGone(error, run.holderId)) throw error instanceof DomainError ? error : startError(spec, error);
      // The holder died (engine restarted): a new one, once.
      await this.#removeContainer(run.containerId);
      await this.#holders.discard(run.holderId);
      const made = await this.#create(spec, await this.#images.ensure(dockerEngine(spec).image));
      await this.#attachAndStart(this.#track(spec, made), sink);
    }
  }

  async wait(executionId: ExecutionId, signal: AbortSignal): Promise<RunEnd> {
    const run = this.#runOf(executionId);
    run.end ??= this.#awaitEnd(run);
    return await abortable(run.end, signal);
  }

  async stop(executionId: ExecutionId, graceMs: number): Promise<void> {
    const run = this.#runs.get(executionId);
    if (run !== undefined) run.isStopped = true;
    const t = Math.max(1, Math.ceil(graceMs / 1000));
    await this.#ignoring([304, 404], "stop", CALL_TIMEOUT_MS + graceMs, (abortSignal) =>
      this.#docker.getContainer(containerName(executionId)).stop({ t, abortSignal }),
    );
  }

  async remove(executionId: ExecutionId): Promise<void> {
    const run = this.#runs.get(executionId);
    // What this process tracks it has made or recognised before; anything else is looked at first.
    const found = run === undefined ? await this.#containers.find(executionId) : undefined;
    const place = run ?? (found === undefined ? undefined : placeOf(found));
    if (place === undefined) return;
    await this.#removeContainer(place.containerId);
    run?.leaving.abort(new DomainError("cancelled", "CANCELLED", "the execution was removed"));
    await run?.output.catch(() => undefined);
    this.#runs.delete(executionId);
    if (run !== undefined) await this.#holders.release(run.holderId);
    else if (place.holderId !== "") await this.#holders.discard(place.holderId);
  }

  async held(): Promise<readonly HeldRun[]> {
    return (await this.#containers.list()).map(({ executionId, isRunning }) => ({ executionId, isRunning }));
  }

  async adopt(spec: RunSpec, sink: OutputSink, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const found = await this.#containers.find(spec.executionId);
    // A container that never started has nothing to take up.
    if (found === undefined || found.State.Status === "created") return false;
    const run = this.#track(spec, placeOf(found));
    const source = await engineCall("logs", CALL_TIMEOUT_MS, (abortSignal) =>
      this.#docker.getContainer(found.Id).logs({ follow: true, stdout: true, stderr: true, abortSignal }),
    );
    const skip = { stdout: sink.bytesTaken("stdout"), stderr: sink.bytesTaken("stderr") };
    run.output = this.#pump(run, source, sink, skip);
    this.#watchDisk(run);
    return true;
  }

  async #ensureSetUp(): Promise<void> {
    this.#setUp ??= this.#sweepAndWarm().catch((error: unknown) => {
      this.#setUp = undefined;
      throw error;
    });
    await this.#setUp;
  }

  async #sweepAndWarm(): Promise<void> {
    await ensureHolderImage(this.#docker);
    this.#cores = await readCores(this.#docker);
    const inUse = new Set((await this.#containers.list()).map(({ holderId }) => holderId));
    const stale = (await this.#containers.listHolders()).filter(({ id }) => !inUse.has(id));
    for (const { id } of stale) await this.#holders.discard(id);
    this.#warming = this.#holders.warm().catch(() => undefined);
  }

  async #create(spec: RunSpec, { volumes }: ImageFacts): Promise<Place> {
    const holderId = await this.#holders.acquire();
    try {
      await this.#giveOutputsToTask(spec);
      const labels = this.#containers.labels(spec.executionId);
      const { user } = this.#options;
      const request = containerOptions(spec, { holderId, labels, user, cores: this.#cores, imageVolumes: volumes });
      const container = await engineCall("create container", CALL_TIMEOUT_MS, (abortSignal) =>
        this.#docker.createContainer({ ...request, abortSignal }),
      );
      return { containerId: container.id, holderId };
    } catch (error) {
      await this.#holders.discard(holderId);
      throw error instanceof DomainError ? error : startError(spec, error);
    }
  }

  /** The task runs as a user of its own; what it may write must be that user's. */
  async #giveOutputsToTask(spec: RunSpec): Promise<void> {
    if (process.getuid?.() !== 0) return;
    const [uid = 0, gid = 0] = this.#options.user.split(":").map(Number);
    for (const { hostPath, isReadOnly } of spec.mounts) if (!isReadOnly) await lchown(hostPath, uid, gid);
  }

  #track(spec: RunSpec, place: Place): Run {
    const output = Promise.resolve();
    const run: Run = { spec, ...place, leaving: new AbortController(), output, end: undefined, isOverDisk: false, isStopped: false };
    this.#runs.set(spec.executionId, run);
    return run;
  }

  /** Attached before the start, or the first lines of a fast task are lost. */
  async #attachAndStart(run: Run, sink: OutputSink): Promise<void> {
    const container = this.#docker.getContainer(run.containerId);
    const source = await engineCall("attach", CALL_TIMEOUT_MS, (abortSignal) =>
      container.attach({ stream: true, stdout: true, stderr: true, abortSignal }),
    );
    run.output = this.#pump(run, source, sink);
    await engineCall("start container", CALL_TIMEOUT_MS, (abortSignal) => container.start({ abortSignal }));
    this.#watchDisk(run);
  }

  async #pump(run: Run, source: NodeJS.ReadableStream, sink: OutputSink, skip?: { stdout: number; stderr: number }): Promise<void> {
    const stream = source as NodeJS.ReadableStream & { destroy(error?: Error): void };
    const leave = (): void => stream.destroy();
    run.leaving.signal.addEventListener("abort", leave, { once: true });
    try {
      await demultiplex(stream as AsyncIterable<Uint8Array>, sink, () => this.#options.clock.nowMs(), skip);
    } catch (error) {
      // A destroyed stream is our own doing; a broken one ends the output, and the run's end tells what became of the run.
      if (!run.leaving.signal.aborted && error instanceof DomainError) throw error;
    } finally {
      run.leaving.signal.removeEventListener("abort", leave);
      stream.destroy();
    }
  }

  async #awaitEnd(run: Run): Promise<RunEnd> {
    const container = this.#docker.getContainer(run.containerId);
    await abortable(awaitExit(this.#docker, run.containerId, run.leaving.signal), run.leaving.signal);
    await Promise.race([run.output, this.#options.clock.sleep(OUTPUT_END_TIMEOUT_MS, run.leaving.signal)]);
    const info = await engineCall("inspect container", CALL_TIMEOUT_MS, (abortSignal) => container.inspect({ abortSignal }));
    // A write beyond the limit on one file's size only fails inside the task, whose exit code then says nothing about disks.
    const isFull =
      info.State.ExitCode !== 0 &&
      (await measureDiskUse(writableFolders(run.spec), run.spec.limits.diskBytes)) >= run.spec.limits.diskBytes;
    const isOverDisk = run.isOverDisk || isFull;
    const isOurDoing = run.isStopped || isOverDisk || info.State.OOMKilled;
    const isOutside = info.State.ExitCode !== 0 && !isOurDoing && (await wasEndedFromOutside(this.#docker, info, run.holderId));
    return runEnd(run.spec, info, { isOverDisk, isOutside, nowMs: this.#options.clock.nowMs() });
  }

  #watchDisk(run: Run): void {
    const folders = writableFolders(run.spec);
    if (folders.length === 0) return;
    const ended = (run.end ??= this.#awaitEnd(run)).then(
      () => true,
      () => true,
    );
    void this.#killWhenOverDisk(run, folders, ended);
  }

  async #killWhenOverDisk(run: Run, folders: readonly string[], ended: Promise<boolean>): Promise<void> {
    const { signal } = run.leaving;
    const tick = async (): Promise<boolean> =>
      await this.#options.clock.sleep(DISK_WATCH_INTERVAL_MS, signal).then(
        () => false,
        () => true,
      );
    while (!(await Promise.race([ended, tick()]))) {
      if ((await measureDiskUse(folders, run.spec.limits.diskBytes)) <= run.spec.limits.diskBytes) continue;
      run.isOverDisk = true;
      await this.#ignoring([404, 409], "kill", CALL_TIMEOUT_MS, (abortSignal) =>
        this.#docker.getContainer(run.containerId).kill({ abortSignal }),
      );
      return;
    }
  }

  async #removeContainer(containerId: string): Promise<void> {
    await this.#ignoring([404, 409], "remove container", CALL_TIMEOUT_MS, (abortSignal) =>
      this.#docker.getContainer(containerId).remove({ force: true, v: true, abortSignal }),
    );
  }

  async #ignoring(
    statuses: readonly number[],
    what: string,
    timeoutMs: number,
    call: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    try {
      await engineCall(what, timeoutMs, call);
    } catch (error) {
      if (!statuses.includes(statusOf(error) ?? 0)) throw error;
    }
  }

  #runOf(executionId: ExecutionId): Run {
    const run = this.#runs.get(executionId);
    if (run === undefined) throw new DomainError("notFound", "EXECUTION_NOT_FOUND", `the Docker executor does not hold ${executionId}`);
    return run;
  }
}

function placeOf({ Id, HostConfig }: Docker.ContainerInspectInfo): Place {
  return { containerId: Id, holderId: holderOf(HostConfig.NetworkMode) };
}

async function readCores(docker: Docker): Promise<number> {
  const { NCPU } = (await engineCall("info", CALL_TIMEOUT_MS, () => docker.info())) as { NCPU?: number };
  return NCPU !== undefined && NCPU > 0 ? NCPU : Number.POSITIVE_INFINITY;
}

function writableFolders(spec: RunSpec): readonly string[] {
  return spec.mounts.filter(({ isReadOnly }) => !isReadOnly).map(({ hostPath }) => hostPath);
}

function connect(host: string): Docker {
  // No `agent`: docker-modem inspects its options deeply at each call, and an agent's sockets make that cost more than the call.
  if (host.startsWith("unix://")) return new Docker({ socketPath: host.slice("unix://".length) });
  const url = new URL(host.replace(/^tcp:/u, "http:"));
  return new Docker({ protocol: "http", host: url.hostname, port: Number(url.port || 2375) });
}

function isHolderGone(error: unknown, holderId: string): boolean {
  const text = refusalText(error);
  return text.includes("cannot join network of a non running container") || (holderId !== "" && text.includes(holderId));
}
