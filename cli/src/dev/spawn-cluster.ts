import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DomainError } from "@skrei/domain";
import { ExitError } from "../exit-code.ts";
import { parseReadyRecord } from "./ready-record.ts";
import type { ReadyRecord } from "./ready-record.ts";

export interface ClusterOptions {
  readonly nodes: number | undefined;
  readonly port: number | undefined;
  readonly dataFolder: string | undefined;
  readonly logLevel: string | undefined;
  /** YAML file that says what jobs may reach; undefined: nothing. */
  readonly networkPolicyFile?: string | undefined;
  /** As in DOCKER_HOST; empty or undefined: the usual socket. */
  readonly dockerHost: string | undefined;
  /** Gets the lines of the cluster's stderr; without it they go to this process' own. */
  readonly onLogLine?: ((line: string) => void) | undefined;
}

export interface SpawnedCluster extends AsyncDisposable {
  readonly ready: ReadyRecord;
  /** The line as the cluster printed it. */
  readonly readyLine: string;
  /** Resolves with the exit code when the cluster ends. */
  readonly ended: Promise<number>;
  /** Asks it to stop, and kills it when it does not. */
  stop(): Promise<number>;
}

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;

/** Starts the embedded cluster as a child. It also ends when this process does, however that happens: its stdin closes. */
export async function spawnCluster(options: ClusterOptions, signal: AbortSignal): Promise<SpawnedCluster> {
  const program = fileURLToPath(import.meta.resolve("@skrei/standalone/main"));
  // Its own process group: a Ctrl-C in the terminal reaches this process only, which stops it in order.
  const child = startProgram([program, ...toArguments(options)], options.onLogLine);
  const ended = once(child, "exit").then(([code]) => (typeof code === "number" ? code : 1));
  const stop = async (): Promise<number> => {
    child.stdin.destroy();
    child.kill("SIGTERM");
    const patience = new AbortController();
    const first = await Promise.race([ended, sleep(STOP_TIMEOUT_MS, undefined, { signal: patience.signal }).catch(() => undefined)]);
    patience.abort();
    if (first !== undefined) return first;
    child.kill("SIGKILL");
    return ended;
  };
  try {
    const readyLine = await readReadyLine(child.stdout, ended, signal);
    const ready = parseReadyRecord(readyLine);
    if (ready === undefined) throw new ExitError(await stop());
    return { ready, readyLine, ended, stop, [Symbol.asyncDispose]: async () => void (await stop()) };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startProgram(
  words: readonly string[],
  onLogLine: ClusterOptions["onLogLine"],
): ChildProcessByStdio<Writable, Readable, Readable | null> {
  if (onLogLine === undefined) return spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"], detached: true });
  const child = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  createInterface({ input: child.stderr }).on("line", onLogLine);
  return child;
}

function toArguments({ nodes, port, dataFolder, logLevel, dockerHost, networkPolicyFile }: ClusterOptions): readonly string[] {
  return [
    "--stops-with-stdin",
    ...(nodes === undefined ? [] : ["--nodes", String(nodes)]),
    ...(port === undefined ? [] : ["--port", String(port)]),
    ...(dataFolder === undefined ? [] : ["--data", dataFolder]),
    ...(dockerHost === undefined || dockerHost === "" ? [] : ["--docker-host", dockerHost]),
    ...(networkPolicyFile === undefined ? [] : ["--network-policy-file", networkPolicyFile]),
    ...(logLevel === undefined ? [] : ["--log-level", logLevel]),
  ];
}

async function readReadyLine(stdout: NodeJS.ReadableStream, ended: Promise<number>, signal: AbortSignal): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_TIMEOUT_MS)]);
  const lines = createInterface({ input: stdout });
  const first = new Promise<string>((resolve) => {
    lines.on("line", (line) => {
      if (parseReadyRecord(line) !== undefined) resolve(line);
    });
  });
  const gaveUp = once(limit, "abort").then(() => {
    throw signal.aborted
      ? signal.reason
      : new DomainError("timeout", "DEADLINE_EXCEEDED", `The embedded cluster was not ready within ${READY_TIMEOUT_MS / 1000} s.`, {
          hint: "See its log: skrei dev --log-level info.",
        });
  });
  const died = ended.then((code) => {
    // It has said why on stderr.
    throw new ExitError(code === 0 ? 1 : code);
  });
  return Promise.race([first, gaveUp, died]);
}
