import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Duplex, type Readable } from "node:stream";
import { setImmediate as immediate } from "node:timers/promises";
import { DomainError } from "@skrei/domain";
import type { HostCommand } from "./host-command.ts";
import { CONTROL_FD, type HostMessage, type HostRun } from "./host-protocol.ts";
import type { HttpAsk, HttpBodyPiece } from "./http-protocol.ts";

export type EndedMessage = HostMessage & { type: "ended" };

/** How the process ended; `ended` is missing when it was killed or crashed. */
export interface HostExit {
  readonly ended: EndedMessage | undefined;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One child process for one guest. It is never used for a second. */
export class HostProcess {
  readonly #child: ChildProcess;
  readonly #control: Duplex;
  readonly #exit: Promise<HostExit>;
  readonly #loaded = Promise.withResolvers<HostMessage | undefined>();
  #partialLine = "";
  #receiveHttp: ((message: HttpAsk | HttpBodyPiece) => void) | undefined;
  #ended: EndedMessage | undefined;

  constructor(command: HostCommand, env: Readonly<Record<string, string>>) {
    // A group of its own, so that a kill also reaches what stands between us and the host before it has tied itself to its parent.
    this.#child = spawn(command.file, command.args, { stdio: ["pipe", "pipe", "pipe", "pipe"], env, cwd: "/", detached: true });
    const control = this.#child.stdio[CONTROL_FD];
    if (!(control instanceof Duplex)) throw new Error("the control descriptor is no socket");
    this.#control = control;
    // A host that is gone shows by its exit; a broken pipe adds nothing.
    this.#child.stdin?.on("error", () => undefined);
    this.#control.on("error", () => undefined);
    this.#control.setEncoding("utf8").on("data", (text: string) => this.#receive(text));
    this.#exit = this.#awaitExit();
  }

  get stdout(): Readable {
    return streamOf(this.#child.stdout);
  }

  get stderr(): Readable {
    return streamOf(this.#child.stderr);
  }

  /** Resolves when the process is gone. Never rejects. */
  get exit(): Promise<HostExit> {
    return this.#exit;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /**
   * Has the host read, compile and check the module; resolves with the module's digest.
   * @throws DomainError notFound/MODULE_NOT_FOUND, invalid/MODULE_INVALID, unavailable/ENGINE_FAILED.
   */
  async load(run: HostRun, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<string> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill();
    }, timeoutMs);
    const leave = (): void => this.kill();
    signal.addEventListener("abort", leave);
    // Node throws unread output away when a child exits, unless somebody listens.
    this.stderr.on("readable", keep);
    try {
      this.#child.stdin?.write(`${JSON.stringify(run)}\n`);
      const message = await this.#loaded.promise;
      signal.throwIfAborted();
      if (message?.type === "ready" && !isLate) return message.moduleDigest;
      if (message === undefined && !isLate) throw crash(await this.#lastWords());
      throw refusal(message, run, isLate ? timeoutMs : undefined);
    } finally {
      clearTimeout(timer);
      this.stderr.off("readable", keep);
      signal.removeEventListener("abort", leave);
    }
  }

  /** Lets the guest begin. Without `receiveHttp` nothing more is said to the host. */
  go(receiveHttp?: (message: HttpAsk | HttpBodyPiece) => void): void {
    this.#receiveHttp = receiveHttp;
    if (receiveHttp === undefined) this.#child.stdin?.end("go\n");
    else this.#child.stdin?.write("go\n");
  }

  /** Resolves when more may be written. Whoever calls aborts the signal when the host exits. @throws AbortError. */
  async answer(frame: Uint8Array, signal: AbortSignal): Promise<void> {
    const { stdin } = this.#child;
    if (stdin === null || stdin.destroyed || stdin.write(frame)) return;
    await once(stdin, "drain", { signal });
  }

  kill(): void {
    if (this.#child.pid === undefined || !this.isAlive) return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch (error) {
      // It may end at this very moment.
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }

  #receive(text: string): void {
    const lines = (this.#partialLine + text).split("\n");
    this.#partialLine = lines.pop() ?? "";
    if (this.#partialLine.length > LINE_LENGTH_MAX) return this.kill();
    for (const line of lines) this.#take(parseMessage(line));
  }

  /** A guest might have taken its host over: whatever our own host would not say ends it. */
  #take(message: HostMessage | undefined): void {
    switch (message?.type) {
      case "ready":
      case "refused":
        return this.#loaded.resolve(message);
      case "ended":
        this.#ended = message;
        return;
      case "httpRequest":
      case "httpBody":
        return this.#receiveHttp === undefined ? this.kill() : this.#receiveHttp(message);
      case undefined:
        return this.kill();
    }
  }

  /** What the host itself said before it crashed; the guest had no part in it yet. */
  async #lastWords(): Promise<string> {
    const pieces: Buffer[] = [];
    for await (const piece of this.stderr) pieces.push(piece as Buffer);
    return Buffer.concat(pieces).toString().slice(-LAST_WORDS_LENGTH_MAX);
  }

  /**
   * An exit may be heard before what was written just ahead of it is read, and our own write to a socket whose other end is gone
   * would throw that away. Whatever the host wrote is in the kernel by now, so one whole turn of the event loop reads it.
   */
  async #readLastMessage(): Promise<void> {
    await immediate();
    await immediate();
  }

  async #awaitExit(): Promise<HostExit> {
    const drained = once(this.#control, "close");
    const [exitCode, signal] = await exitOf(this.#child);
    await this.#readLastMessage();
    // Tells a watching shell that all is over.
    this.#control.end("\n");
    await drained.catch(() => undefined);
    this.#loaded.resolve(undefined);
    return { ended: this.#ended, exitCode, signal };
  }
}

function keep(): void {}

function parseMessage(line: string): HostMessage | undefined {
  try {
    return JSON.parse(line) as HostMessage;
  } catch {
    // Not a line of our host.
    return undefined;
  }
}

async function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  return await new Promise((resolve) => {
    child.once("exit", (exitCode, signal) => resolve([exitCode, signal]));
    child.once("error", () => resolve([null, null]));
  });
}

function streamOf(stream: Readable | null): Readable {
  if (stream === null) throw new Error("the host has no output pipe");
  return stream;
}

function refusal(
  message: HostMessage | undefined,
  { entryModule, moduleBytesMax }: HostRun,
  timedOutAfterMs: number | undefined,
): DomainError {
  if (message?.type === "refused") {
    const kind = message.reason === "MODULE_NOT_FOUND" ? "notFound" : "invalid";
    const hint =
      message.reason === "MODULE_NOT_FOUND"
        ? `Give the task an input whose target is ${entryModule}.`
        : `Build the module for WASI preview 1 (wasm32-wasi), with at most ${moduleBytesMax} bytes.`;
    return new DomainError(kind, message.reason, message.message, { hint });
  }
  if (timedOutAfterMs !== undefined) {
    return new DomainError("invalid", "MODULE_INVALID", `the module did not compile within ${timedOutAfterMs} ms`, {
      hint: "Make the module smaller.",
    });
  }
  return crash("");
}

function crash(lastWords: string): DomainError {
  const metadata = { stderr: lastWords };
  return new DomainError("unavailable", "ENGINE_FAILED", "the WASM host process ended before it had loaded the module", { metadata });
}

const LAST_WORDS_LENGTH_MAX = 2_000;
/** Above any message of our host: a URL, headers or a piece of a body. */
const LINE_LENGTH_MAX = 1_048_576;
