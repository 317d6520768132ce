import { mkdir } from "node:fs/promises";
import { DomainError, LIMITS, type Engine, type ExecutionId, type NodeEngine } from "@skrei/domain";
import type { Clock, Executor, HeldRun, OutputSink, RunEnd, RunSpec } from "../ports.ts";
import { refuseLinkedMounts } from "./refuse-linked-mounts.ts";
import { HostCommands, type HostFolders, type Wall } from "./wasm/host-command.ts";
import { HostPool } from "./wasm/host-pool.ts";
import type { HostRun } from "./wasm/host-protocol.ts";
import type { HttpRelayOptions } from "./wasm/http-relay.ts";
import { buildMountTree } from "./wasm/mount-tree.ts";
import { trustedCertificates } from "./wasm/trusted-certificates.ts";
import { WasmRun } from "./wasm/wasm-run.ts";

export interface WasmExecutorOptions {
  readonly clock: Clock;
  /** Keeps the host's compiled code; made if it does not exist. Tasks cannot write there. */
  readonly cacheFolder: string;
  /** Put bubblewrap around hosts where it works. Default true. */
  readonly isWallWanted?: boolean;
  /** Folders of the node that hold inputs (readable) and executions (writable): the reach of hosts started ahead. Default none. */
  readonly folders?: HostFolders;
  /** Hosts to start ahead while there is work. Default 1. */
  readonly hostsAheadMax?: number;
  /** Default 60 000. */
  readonly hostsIdleMs?: number;
  /** Bound on reading, compiling and checking a module. Default 30 000. */
  readonly loadTimeoutMs?: number;
  /** Default LIMITS.wasmModuleBytesMax. */
  readonly moduleBytesMax?: number;
  /** Bound on one HTTP request of a module, redirects and body included. Default 30 000. */
  readonly requestTimeoutMs?: number;
  /** PEM certificates that HTTPS requests of modules trust beside the machine's; for tests. Default none. */
  readonly extraCertificates?: readonly string[];
}

/** Runs WASI preview 1 modules, each in a process of its own that ends with the agent. Nothing survives a restart. */
export class WasmExecutor implements Executor {
  readonly name = "wasm";
  readonly #options: WasmExecutorOptions;
  readonly #runs = new Map<ExecutionId, WasmRun>();
  readonly #loading = new Map<ExecutionId, Promise<WasmRun>>();
  readonly #trust: HttpRelayOptions["trust"];
  #pool: HostPool | undefined;
  #wall: Wall = "none";

  constructor(options: WasmExecutorOptions) {
    this.#options = options;
    this.#trust = trustedCertificates(options.extraCertificates ?? []);
  }

  /** The wall that stands around hosts; known once started. */
  get wall(): Wall {
    return this.#wall;
  }

  async start(): Promise<void> {
    const { cacheFolder, isWallWanted = true, folders = NO_FOLDERS, hostsAheadMax = 1, hostsIdleMs = 60_000 } = this.#options;
    await mkdir(cacheFolder, { recursive: true });
    const commands = await HostCommands.probe({ isWallWanted, cacheFolder });
    this.#wall = commands.wall;
    this.#pool = new HostPool(commands, { aheadMax: hostsAheadMax, idleMs: hostsIdleMs, folders });
  }

  async close(): Promise<void> {
    const runs = [...this.#runs.values(), ...(await Promise.all(this.#loading.values()).catch(() => []))];
    await Promise.all([this.#pool?.close(), ...runs.map(async (run) => await run.dispose())]);
  }

  async probe(): Promise<NodeEngine> {
    const isAvailable = this.#pool !== undefined;
    return { name: "wasm", version: process.versions.v8, isAvailable, message: isAvailable ? "" : "the WASM executor has not started" };
  }

  async checkImage(_engine: Engine): Promise<{ isPresent: boolean }> {
    return { isPresent: true };
  }

  async prepare(run: RunSpec, signal: AbortSignal): Promise<void> {
    await this.#prepared(run, signal);
  }

  async launch(run: RunSpec, sink: OutputSink, signal: AbortSignal): Promise<void> {
    const prepared = await this.#prepared(run, signal);
    prepared.launch(sink);
  }

  async wait(executionId: ExecutionId, signal: AbortSignal): Promise<RunEnd> {
    signal.throwIfAborted();
    const end = this.#runs.get(executionId)?.end;
    if (end === undefined) throw new DomainError("notFound", "EXECUTION_NOT_FOUND", `the WASM executor does not run ${executionId}`);
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([end, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async stop(executionId: ExecutionId, _graceMs: number): Promise<void> {
    this.#runs.get(executionId)?.stop();
  }

  async remove(executionId: ExecutionId): Promise<void> {
    await this.#loading.get(executionId)?.catch(() => undefined);
    await this.#runs.get(executionId)?.dispose();
    this.#runs.delete(executionId);
  }

  async held(): Promise<readonly HeldRun[]> {
    return [...this.#runs].map(([executionId, run]) => ({ executionId, isRunning: run.isRunning }));
  }

  async adopt(): Promise<boolean> {
    return false;
  }

  async #prepared(spec: RunSpec, signal: AbortSignal): Promise<WasmRun> {
    const existing = this.#runs.get(spec.executionId) ?? this.#loading.get(spec.executionId);
    if (existing !== undefined) return await existing;
    const loading = this.#load(spec, signal);
    this.#loading.set(spec.executionId, loading);
    try {
      const run = await loading;
      this.#runs.set(spec.executionId, run);
      return run;
    } finally {
      this.#loading.delete(spec.executionId);
    }
  }

  async #load(spec: RunSpec, signal: AbortSignal): Promise<WasmRun> {
    this.#refuseUnwalled(spec);
    await refuseLinkedMounts(spec.mounts);
    signal.throwIfAborted();
    if (this.#pool === undefined) throw new DomainError("unavailable", "ENGINE_FAILED", "the WASM executor has not started");
    const { clock, loadTimeoutMs = 30_000, moduleBytesMax = LIMITS.wasmModuleBytesMax } = this.#options;
    const host = this.#pool.take(foldersOf(spec));
    try {
      const moduleDigest = await host.load(toHostRun(spec, moduleBytesMax), { timeoutMs: loadTimeoutMs, signal });
      return new WasmRun({ spec, host, moduleDigest, clock, http: this.#httpOf(spec) });
    } catch (error) {
      host.kill();
      await host.exit;
      throw error;
    }
  }

  /**
   * The host walks paths name by name. Data of the node that others write to as well may turn into a link between two steps, also where
   * the module only reads, so there the wall has to hold.
   * @throws DomainError unavailable/SANDBOX_FAILED.
   */
  #refuseUnwalled({ mounts }: RunSpec): void {
    const shared = mounts.find(({ isHostData }) => isHostData === true);
    if (shared === undefined || this.#wall !== "none") return;
    throw new DomainError("unavailable", "SANDBOX_FAILED", `the node lets no module see its own data at ${shared.target} without a wall`, {
      hint: "install bubblewrap on the node, or use the engine docker",
    });
  }

  #httpOf({ door }: RunSpec): HttpRelayOptions | undefined {
    if (door.socketPath === "") return undefined;
    const { socketPath, credential } = door;
    return { socketPath, credential, trust: this.#trust, timeoutMs: this.#options.requestTimeoutMs ?? 30_000 };
  }
}

function toHostRun({ engine, env, mounts, limits, door }: RunSpec, moduleBytesMax: number): HostRun {
  if (engine.name !== "wasm") {
    throw new DomainError("invalid", "FIELD_INVALID", `the WASM executor cannot run a task of the engine ${engine.name}`);
  }
  checkMounts(mounts);
  return {
    entryModule: engine.entryModule,
    entrypoint: engine.entrypoint === "" ? "_start" : engine.entrypoint,
    parameters: engine.parameters,
    env,
    mounts,
    memoryBytes: limits.memoryBytes,
    diskBytes: limits.diskBytes,
    entriesMax: LIMITS.resultFilesMax,
    moduleBytesMax,
    hasDoor: door.socketPath !== "",
  };
}

function checkMounts(mounts: RunSpec["mounts"]): void {
  try {
    buildMountTree(mounts);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new DomainError("invalid", "FIELD_INVALID", message, {
      hint: "Give inputs and outputs targets that do not contain each other.",
      cause: error,
    });
  }
}

function foldersOf({ mounts }: RunSpec): HostFolders {
  const paths = (isReadOnly: boolean): readonly string[] =>
    mounts.filter((mount) => mount.isReadOnly === isReadOnly).map(({ hostPath }) => hostPath);
  return { readable: paths(true), writable: paths(false) };
}

const NO_FOLDERS: HostFolders = { readable: [], writable: [] };
