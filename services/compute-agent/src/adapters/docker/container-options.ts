import { posix } from "node:path";
import type { ContainerCreateOptions } from "dockerode";
import type { DockerEngine } from "@skrei/domain";
import { DomainError, LIMITS } from "@skrei/domain";
import type { RunSpec } from "../../ports.ts";
import { taskSeccomp } from "./task-seccomp.ts";

const MIB = 1024 * 1024;
/** The engine refuses less. */
const MEMORY_BYTES_MIN = 6 * MIB;
const PIDS_MAX = 256;
const OPEN_FILES_MAX = 4_096;
const TMP_BYTES_MAX = 256 * MIB;

export interface ContainerContext {
  /** Whose network namespace and resolver file the task shares; all that it has of a network. */
  readonly holderId: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `uid:gid` the task runs as. */
  readonly user: string;
  /** Of the engine; a task that asks for more is not limited. */
  readonly cores: number;
  /** Does the engine filter system calls? Without, it takes no filter either. */
  readonly isFiltering: boolean;
  /** Paths for which the image wants volumes. */
  readonly imageVolumes: readonly string[];
}

/**
 * The engine's request for one run. Built from a closed type: a job cannot name a capability, a device, a host namespace or a
 * security option, because there is no field for it. Measured to cost nothing (all of it together).
 */
export function containerOptions(run: RunSpec, context: ContainerContext): ContainerCreateOptions {
  const engine = dockerEngine(run);
  return {
    name: containerName(run.executionId),
    Image: imageReference(engine.image),
    ...(engine.entrypoint.length > 0 && { Entrypoint: [...engine.entrypoint] }),
    ...(engine.parameters.length > 0 && { Cmd: [...engine.parameters] }),
    ...(engine.workingDirectory !== "" && { WorkingDir: engine.workingDirectory }),
    Env: environment(run.env),
    Labels: { ...context.labels },
    User: context.user,
    // The image's own would run inside the task now and then, and nobody asks for its word.
    Healthcheck: { Test: ["NONE"] },
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: hostConfig(run, context),
  };
}

export function containerName(executionId: string): string {
  return `skrei-${executionId}`;
}

/** With a tag or digest; without one the engine would pull every tag. */
export function imageReference(image: string): string {
  const name = image.slice(image.lastIndexOf("/") + 1);
  return name.includes(":") || name.includes("@") ? image : `${image}:latest`;
}

export function dockerEngine(run: RunSpec): DockerEngine {
  if (run.engine.name !== "docker") throw new DomainError("invalid", "ENGINE_MISSING", `the Docker executor cannot run ${run.engine.name}`);
  return run.engine;
}

type HostConfig = NonNullable<ContainerCreateOptions["HostConfig"]>;

function hostConfig(run: RunSpec, context: ContainerContext): HostConfig {
  const memoryBytes = Math.max(run.limits.memoryBytes, MEMORY_BYTES_MIN);
  return {
    NetworkMode: `container:${context.holderId}`,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges", ...(context.isFiltering ? [`seccomp=${taskSeccomp()}`] : [])],
    ReadonlyRootfs: true,
    PidsLimit: PIDS_MAX,
    Memory: memoryBytes,
    // Equal to Memory: no swap.
    MemorySwap: memoryBytes,
    NanoCpus: Math.min(run.limits.cpuMillis * 1_000_000, context.cores * 1_000_000_000),
    Ulimits: [
      { Name: "nofile", Soft: OPEN_FILES_MAX, Hard: OPEN_FILES_MAX },
      { Name: "core", Soft: 0, Hard: 0 },
      { Name: "fsize", Soft: run.limits.diskBytes, Hard: run.limits.diskBytes },
    ],
    Tmpfs: scratchMounts(run, context.imageVolumes, memoryBytes),
    Mounts: bindMounts(run),
    // The engine's own copy serves only a restarted agent; it keeps as much as the agent would.
    LogConfig: { Type: "local", Config: { "max-size": String(LIMITS.outputBytesMax), "max-file": "2", compress: "false" } },
    RestartPolicy: { Name: "no" },
  };
}

type Mounts = NonNullable<HostConfig["Mounts"]>;

function bindMounts({ mounts }: RunSpec): Mounts {
  return mounts.map(({ hostPath, target, isReadOnly }) => ({
    Type: "bind",
    Source: hostPath,
    Target: target,
    ReadOnly: isReadOnly,
    BindOptions: { Propagation: "rprivate" },
  }));
}

/**
 * What a task may write beside its outputs: in memory, which counts as its own, and gone with the container. The volumes that an
 * image wants are among it, as the engine's own are files of the host without a limit.
 */
function scratchMounts({ mounts }: RunSpec, imageVolumes: readonly string[], memoryBytes: number): Record<string, string> {
  const options = `rw,nosuid,nodev,exec,mode=1777,size=${String(Math.min(TMP_BYTES_MAX, memoryBytes))}`;
  const taken = new Set(mounts.map(({ target }) => target));
  const paths = ["/tmp", ...imageVolumes].map((path) => posix.resolve(path)).filter((path) => !taken.has(path));
  return Object.fromEntries(paths.map((path) => [path, options]));
}

function environment(env: Readonly<Record<string, string>>): string[] {
  // The task's user has no home in the image; the only place it may write is /tmp.
  const withHome = Object.hasOwn(env, "HOME") ? env : { HOME: "/tmp", ...env };
  return Object.entries(withHome).map(([name, value]) => `${name}=${value}`);
}
