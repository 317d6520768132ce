import type { Readable } from "node:stream";
import type { Clock, OutputSink, OutputStream, RunEnd, RunSpec } from "../../ports.ts";
import type { HostExit, HostProcess } from "./host-process.ts";
import { HttpRelay, type HttpRelayOptions } from "./http-relay.ts";
import { toRunEnd } from "./run-end.ts";

export interface WasmRunParts {
  readonly spec: RunSpec;
  readonly host: HostProcess;
  readonly moduleDigest: string;
  readonly clock: Clock;
  /** Undefined when the task has no network. */
  readonly http: HttpRelayOptions | undefined;
}

/** One execution and its host, from load to end. */
export class WasmRun {
  readonly #spec: RunSpec;
  readonly #host: HostProcess;
  readonly #moduleDigest: string;
  readonly #clock: Clock;
  readonly #relay: HttpRelay | undefined;
  #end: Promise<RunEnd> | undefined;
  #isRunning = false;
  #isStopped = false;

  constructor({ spec, host, moduleDigest, clock, http }: WasmRunParts) {
    this.#spec = spec;
    this.#host = host;
    this.#moduleDigest = moduleDigest;
    this.#clock = clock;
    this.#relay = http && new HttpRelay(host, http);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Repeating it changes nothing. */
  launch(sink: OutputSink): void {
    if (this.#end !== undefined) return;
    this.#isRunning = true;
    this.#end = this.#follow(sink);
    // Whoever waits gets the error; if nobody does, it is no reason to end the agent.
    this.#end.catch(() => undefined);
    const relay = this.#relay;
    void this.#host.exit.then(() => relay?.close());
    this.#host.go(relay && ((message) => relay.receive(message)));
  }

  /** Undefined until launched, unless stopped before. */
  get end(): Promise<RunEnd> | undefined {
    return this.#end;
  }

  /** A WASI guest hears no signals, so there is nothing to ask it with and no grace. */
  stop(): void {
    this.#isStopped = true;
    this.#relay?.close();
    this.#host.kill();
    this.#end ??= this.#host.exit.then((exit) => this.#judge(exit, this.#clock.nowMs()));
  }

  async dispose(): Promise<void> {
    this.stop();
    await this.#host.exit;
  }

  async #follow(sink: OutputSink): Promise<RunEnd> {
    const startedAtMs = this.#clock.nowMs();
    try {
      const [exit] = await Promise.all([
        this.#host.exit,
        this.#pump(sink, "stdout", this.#host.stdout),
        this.#pump(sink, "stderr", this.#host.stderr),
      ]);
      return this.#judge(exit, startedAtMs);
    } finally {
      this.#isRunning = false;
      this.#host.kill();
    }
  }

  /** Reads on only when the sink has taken what came before; the guest then waits in its write. */
  async #pump(sink: OutputSink, name: OutputStream, stream: Readable): Promise<void> {
    for await (const data of stream) await sink.write(name, data as Uint8Array, this.#clock.nowMs());
  }

  #judge(exit: HostExit, startedAtMs: number): RunEnd {
    return toRunEnd(exit, {
      limits: this.#spec.limits,
      moduleDigest: this.#moduleDigest,
      startedAtMs,
      endedAtMs: this.#clock.nowMs(),
      isStopped: this.#isStopped,
    });
  }
}
