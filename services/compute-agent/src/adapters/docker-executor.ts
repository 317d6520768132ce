import type Docker from "dockerode";
import type { Engine, ExecutionId, NodeEngine, NodeId } from "@skrei/domain";
import { DomainError } from "@skrei/domain";
import type { Clock, Executor, HeldRun, OutputSink, RunEnd, RunSpec } from "../ports.ts";
import { awaitExit } from "./docker/await-exit.ts";
import { connectEngine, type EngineFacts, readEngine } from "./docker/connect-engine.ts";
import { containerName, containerOptions, dockerEngine } from "./docker/container-options.ts";
import { measureDiskUse, untilOverDisk } from "./docker/disk-watch.ts";
import { abortable, engineCall, statusOf } from "./docker/engine-call.ts";
import { isHolderGone } from "./docker/holder-container.ts";
import { createHolders, type Holders } from "./docker/holders.ts";
import { type ImageFacts, ImageStore } from "./docker/image-store.ts";
import { wasEndedFromOutside } from "./docker/outside-end.ts";
import { giveToTask, outputFolders } from "./docker/output-folders.ts";
import { pumpOutput } from "./docker/pump-output.ts";
import { runEnd, startError } from "./docker/run-end.ts";
import { holderOf, TaskContainers } from "./docker/task-container.ts";
import { refuseLinkedMounts } from "./refuse-linked-mounts.ts";

const CALL_TIMEOUT_MS = 60_000;
const PROBE_TIMEOUT_MS = 5_000;
/** The attach stream ends with the container; when it does not, the output so far counts. */
const OUTPUT_END_TIMEOUT_MS = 30_000;

export interface DockerExecutorOptions {
  /** `unix:///var/run/docker.sock` or `http://host:port`. */
  readonly host: string;
  readonly nodeId: NodeId;
  /** Known to this node only; marks its containers. */
  readonly secret: string;
  /** `uid:gid` of tasks. The agent must be able to give folders to it. */
  readonly user: string;
  /** Network holders kept ready, of each kind that is asked for. */
  readonly holdersIdleMax: number;
  /** A folder for holders' files, this executor's alone. The engine must see it at the same path. */
  readonly slotsFolder: string;
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
  readonly #holders: Holders;
  readonly #runs = new Map<ExecutionId, Run>();
  /** The engine refuses a task more than it has, though an operator may offer more than that. */
  #engine: EngineFacts = { cores: Number.POSITIVE_INFINITY, isFiltering: true };
  #setUp: Promise<void> | undefined;

  constructor(options: DockerExecutorOptions) {
    this.#options = options;
    this.#docker = connectEngine(options.host);
    this.#containers = new TaskContainers(this.#docker, options);
    this.#images = new ImageStore(this.#docker, options);
    this.#holders = createHolders(this.#docker, this.#containers, options);
  }

  async start(): Promise<void> {
    // An engine that is down now may come up later: `probe` says so, and the next call tries again.
    await this.#ensureSetUp().catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const run of this.#runs.values()) run.leaving.abort(new DomainError("cancelled", "SHUTTING_DOWN", "the agent is stopping"));
    await Promise.allSettled([...this.#runs.values()].map(({ output }) => output));
    this.#runs.clear();
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
      await this.#holders.discardIdle();
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
    const isGone = await this.#removeContainer(place.containerId);
    run?.leaving.abort(new DomainError("cancelled", "CANCELLED", "the execution was removed"));
    await run?.output.catch(() => undefined);
    this.#runs.delete(executionId);
    // A container whose removal is still under way may still use its holder.
    if (run !== undefined && isGone) await this.#holders.release(run.holderId);
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
    run.output = pumpOutput({ source, sink, clock: this.#options.clock, leaving: run.leaving.signal, skip });
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
    this.#engine = await readEngine(this.#docker);
    const joined = new Set((await this.#containers.list()).map(({ holderId }) => holderId));
    await this.#holders.takeUp(await this.#containers.listHolders(), joined);
  }

  async #create(spec: RunSpec, { volumes }: ImageFacts): Promise<Place> {
    const holderId = await this.#holders.acquire(spec.door);
    try {
      await refuseLinkedMounts(spec.mounts);
      await giveToTask(outputFolders(spec.mounts), this.#options.user);
      const labels = this.#containers.labels(spec.executionId);
      const request = containerOptions(spec, { ...this.#engine, holderId, labels, user: this.#options.user, imageVolumes: volumes });
      const container = await engineCall("create container", CALL_TIMEOUT_MS, (abortSignal) =>
        this.#docker.createContainer({ ...request, abortSignal }),
      );
      return { containerId: container.id, holderId };
    } catch (error) {
      await this.#holders.discard(holderId);
      throw error instanceof DomainError ? error : startError(spec, error);
    }
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
    run.output = pumpOutput({ source, sink, clock: this.#options.clock, leaving: run.leaving.signal });
    await engineCall("start container", CALL_TIMEOUT_MS, (abortSignal) => container.start({ abortSignal }));
    this.#watchDisk(run);
  }

  async #awaitEnd(run: Run): Promise<RunEnd> {
    const container = this.#docker.getContainer(run.containerId);
    await abortable(awaitExit(this.#docker, run.containerId, run.leaving.signal), run.leaving.signal);
    await Promise.race([run.output, this.#options.clock.sleep(OUTPUT_END_TIMEOUT_MS, run.leaving.signal)]);
    const info = await engineCall("inspect container", CALL_TIMEOUT_MS, (abortSignal) => container.inspect({ abortSignal }));
    // A write beyond the limit on one file's size only fails inside the task, whose exit code then says nothing about disks.
    const isFull =
      info.State.ExitCode !== 0 &&
      (await measureDiskUse(outputFolders(run.spec.mounts), run.spec.limits.diskBytes)) >= run.spec.limits.diskBytes;
    const isOverDisk = run.isOverDisk || isFull;
    const isOurDoing = run.isStopped || isOverDisk || info.State.OOMKilled;
    const isOutside = info.State.ExitCode !== 0 && !isOurDoing && (await wasEndedFromOutside(this.#docker, info, run.holderId));
    return runEnd(run.spec, info, { isOverDisk, isOutside, nowMs: this.#options.clock.nowMs() });
  }

  #watchDisk(run: Run): void {
    const folders = outputFolders(run.spec.mounts);
    if (folders.length === 0) return;
    const ended = (run.end ??= this.#awaitEnd(run)).then(
      () => true,
      () => true,
    );
    const overDisk = untilOverDisk(folders, run.spec.limits.diskBytes, { clock: this.#options.clock, signal: run.leaving.signal, ended });
    const kill = async (): Promise<void> => {
      run.isOverDisk = true;
      await this.#ignoring([404, 409], "kill", CALL_TIMEOUT_MS, (abortSignal) =>
        this.#docker.getContainer(run.containerId).kill({ abortSignal }),
      );
    };
    // An engine that does not answer is noticed by whoever waits for the run's end.
    overDisk.then((isOver) => (isOver ? kill() : undefined)).catch(() => undefined);
  }

  async #removeContainer(containerId: string): Promise<boolean> {
    const status = await this.#ignoring([404, 409], "remove container", CALL_TIMEOUT_MS, (abortSignal) =>
      this.#docker.getContainer(containerId).remove({ force: true, v: true, abortSignal }),
    );
    return status !== 409;
  }

  /** The status that was ignored, if one was. */
  async #ignoring(
    statuses: readonly number[],
    what: string,
    timeoutMs: number,
    call: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<number | undefined> {
    try {
      await engineCall(what, timeoutMs, call);
      return undefined;
    } catch (error) {
      const status = statusOf(error) ?? 0;
      if (!statuses.includes(status)) throw error;
      return status;
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
