import { spawn } from "node:child_process";
import { access, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, parseExecutionId, type Engine, type ExecutionId, type NodeEngine } from "@skrei/domain";
import type { Executor, HeldRun, OutputSink, RunEnd, RunSpec } from "@skrei/compute-agent/ports";
import { refuseLinkedMounts } from "@skrei/compute-agent/refuse-linked-mounts";
import { eventually } from "./eventually.ts";
import { followRun } from "./process-output.ts";

/**
 * An Executor without an engine: each task is a process of this host, in a session of its own, under a small supervising
 * shell that outlives us and writes down the exit code. Isolates nothing; targets of mounts, and `/slot/door` for the socket of its door, are
 * replaced in the arguments.
 * Images with a meaning: `absent` does not exist, `unreachable` cannot be pulled, `stuck` is pulled until the caller leaves.
 */
export class ProcessExecutor implements Executor {
  readonly name = "docker";
  isAvailable = true;
  readonly #folder: string;
  readonly #ends = new Map<ExecutionId, Promise<RunEnd>>();
  #closing = new AbortController();

  /** `folder` is what the engine would keep: another executor on it takes over. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<void> {
    this.#closing = new AbortController();
    await mkdir(this.#folder, { recursive: true });
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the executor was closed"));
    await Promise.allSettled(this.#ends.values());
    this.#ends.clear();
  }

  async probe(): Promise<NodeEngine> {
    return { name: this.name, version: "process", isAvailable: this.isAvailable, message: this.isAvailable ? "" : "switched off" };
  }

  async checkImage(engine: Engine): Promise<{ isPresent: boolean }> {
    return { isPresent: engine.name === "docker" && engine.image !== "absent" && engine.image !== "unreachable" };
  }

  async prepare(run: RunSpec, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const image = run.engine.name === "docker" ? run.engine.image : "";
    if (image === "absent") throw new DomainError("notFound", "IMAGE_NOT_FOUND", "there is no image absent", { hint: "use another image" });
    if (image === "unreachable") throw new DomainError("unavailable", "IMAGE_PULL_FAILED", "the registry did not answer");
    if (image === "stuck") await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    await refuseLinkedMounts(run.mounts);
    await mkdir(this.#folderOf(run.executionId), { recursive: true });
  }

  async launch(run: RunSpec, sink: OutputSink, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const folder = this.#folderOf(run.executionId);
    const command = commandOf(run);
    if (command[0]?.startsWith("/") === true && !(await exists(command[0]))) {
      throw new DomainError("notFound", "COMMAND_NOT_FOUND", `the image has no ${command[0]}`);
    }
    await writeFile(join(folder, "started"), String(Date.now()));
    await Promise.all([writeFile(join(folder, "stdout"), ""), writeFile(join(folder, "stderr"), "")]);
    const child = spawn("sh", ["-c", SUPERVISOR, "supervisor", folder, ...command], {
      detached: true,
      stdio: "ignore",
      cwd: run.scratchFolder,
      env: { PATH: process.env["PATH"], ...run.env },
    });
    child.unref();
    await eventually(
      () => pidOf(folder),
      (pid) => pid !== undefined,
      { withinMs: 10_000, everyMs: 2 },
    );
    this.#follow(run.executionId, sink);
  }

  async wait(executionId: ExecutionId, signal: AbortSignal): Promise<RunEnd> {
    const end = this.#ends.get(executionId);
    if (end === undefined) throw new DomainError("notFound", "EXECUTION_NOT_FOUND", `nothing runs as ${executionId}`);
    signal.throwIfAborted();
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([end, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  async stop(executionId: ExecutionId, graceMs: number): Promise<void> {
    const folder = this.#folderOf(executionId);
    const pid = await pidOf(folder);
    if (pid === undefined || (await hasEnded(folder))) return;
    signalGroup(pid, "SIGTERM");
    try {
      await eventually(() => hasEnded(folder), Boolean, { withinMs: graceMs });
    } catch {
      signalGroup(pid, "SIGKILL"); // It did not end in time; that is what the grace is for.
    }
  }

  async remove(executionId: ExecutionId): Promise<void> {
    const folder = this.#folderOf(executionId);
    const pid = await pidOf(folder);
    if (pid !== undefined && !(await hasEnded(folder))) {
      signalGroup(pid, "SIGKILL");
      await eventually(() => hasEnded(folder), Boolean, { withinMs: 10_000 });
    }
    await this.#ends.get(executionId)?.catch(() => undefined); // Its waiters were told.
    this.#ends.delete(executionId);
    await rm(folder, { recursive: true, force: true });
  }

  async held(): Promise<readonly HeldRun[]> {
    const ids = (await readdir(this.#folder)).map(parseExecutionId).filter((id) => id !== undefined);
    return Promise.all(
      ids.map(async (executionId) => {
        const folder = this.#folderOf(executionId);
        return { executionId, isRunning: (await pidOf(folder)) !== undefined && !(await hasEnded(folder)) };
      }),
    );
  }

  async adopt(run: RunSpec, sink: OutputSink): Promise<boolean> {
    if ((await pidOf(this.#folderOf(run.executionId))) === undefined) return false;
    this.#follow(run.executionId, sink);
    return true;
  }

  #follow(executionId: ExecutionId, sink: OutputSink): void {
    const end = followRun(this.#folderOf(executionId), sink, this.#closing.signal);
    end.catch(() => undefined); // A close ends it; whoever waits is told.
    this.#ends.set(executionId, end);
  }

  #folderOf(executionId: ExecutionId): string {
    return join(this.#folder, executionId);
  }
}

/** The task gets its own session, so that signals to its group spare the supervisor. */
const SUPERVISOR = `folder=$1; shift
setsid sh -c 'echo $$ > "$0/pid.new"; mv "$0/pid.new" "$0/pid"; exec "$@"' "$folder" "$@" > "$folder/stdout" 2> "$folder/stderr"
code=$?; echo "$code $(date +%s%3N)" > "$folder/exit.new"; mv "$folder/exit.new" "$folder/exit"`;

function commandOf(run: RunSpec): string[] {
  if (run.engine.name !== "docker") throw new DomainError("invalid", "MODULE_INVALID", "processes are no modules");
  const command = [...run.engine.entrypoint, ...run.engine.parameters];
  const places = [...run.mounts, { target: "/slot/door", hostPath: run.door.socketPath }];
  return command.map((part) => places.reduce((text, { target, hostPath }) => text.replaceAll(target, hostPath), part));
}

async function pidOf(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, "pid"), "utf8").catch(() => ""); // Not launched yet.
  return text === "" ? undefined : Number(text);
}

function hasEnded(folder: string): Promise<boolean> {
  return exists(join(folder, "exit"));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // Gone already.
  }
}
