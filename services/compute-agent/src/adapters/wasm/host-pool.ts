import type { HostCommands, HostFolders } from "./host-command.ts";
import { HostProcess } from "./host-process.ts";

export interface HostPoolOptions {
  /** Hosts to keep started ahead while there is work; each waits on stdin and holds about 45 MB. 0 starts none ahead. */
  readonly aheadMax: number;
  /** After this long without work the waiting hosts are let go. */
  readonly idleMs: number;
  /** What hosts started ahead can reach behind a wall. A run with mounts elsewhere gets a host of its own. */
  readonly folders: HostFolders;
}

/** Starts host processes, some of them ahead, so that a guest need not wait for Node to start. */
export class HostPool {
  readonly #commands: HostCommands;
  readonly #options: HostPoolOptions;
  readonly #waiting: HostProcess[] = [];
  #idleTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(commands: HostCommands, options: HostPoolOptions) {
    this.#commands = commands;
    this.#options = options;
  }

  /** A host that nobody else has and that can reach `folders`. */
  take(folders: HostFolders): HostProcess {
    if (!this.#covers(folders)) return this.#start(folders);
    const host = this.#takeWaiting() ?? this.#start(this.#options.folders);
    setImmediate(() => this.#refill());
    return host;
  }

  /** Ends the waiting hosts; those taken are the taker's. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#letGo();
  }

  #takeWaiting(): HostProcess | undefined {
    for (let host = this.#waiting.shift(); host !== undefined; host = this.#waiting.shift()) {
      if (host.isAlive) return host;
    }
    return undefined;
  }

  #refill(): void {
    if (this.#isClosed) return;
    while (this.#waiting.length < this.#options.aheadMax) this.#waiting.push(this.#start(this.#options.folders));
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => void this.#letGo(), this.#options.idleMs).unref();
  }

  async #letGo(): Promise<void> {
    clearTimeout(this.#idleTimer);
    const hosts = this.#waiting.splice(0);
    for (const host of hosts) host.kill();
    await Promise.all(hosts.map(async (host) => await host.exit));
  }

  #start(folders: HostFolders): HostProcess {
    return new HostProcess(this.#commands.forFolders(folders), this.#commands.env);
  }

  #covers({ readable, writable }: HostFolders): boolean {
    if (this.#commands.wall === "none") return true;
    const { folders } = this.#options;
    return (
      readable.every((path) => isBelowAny(path, [...folders.readable, ...folders.writable])) &&
      writable.every((path) => isBelowAny(path, folders.writable))
    );
  }
}

function isBelowAny(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
}
