import type Docker from "dockerode";
import { engineCall, statusOf } from "./engine-call.ts";
import { HOLDER_IMAGE } from "./holder-image.ts";

const START_TIMEOUT_MS = 30_000;
const REMOVE_TIMEOUT_MS = 20_000;
const MIB = 1024 * 1024;

/**
 * Containers that only hold a network namespace with loopback and nothing else. A task joins one; that spares the engine the work
 * of making a namespace (more than half of a start) and leaves a task no route, no DNS and no host address.
 * A holder serves task after task, never two at once.
 */
export class HolderPool {
  readonly #docker: Docker;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #idleMax: number;
  readonly #idle: string[] = [];
  #isClosed = false;

  constructor(docker: Docker, options: { labels: Readonly<Record<string, string>>; idleMax: number }) {
    this.#docker = docker;
    this.#labels = options.labels;
    this.#idleMax = options.idleMax;
  }

  /** Makes holders ahead, one after the other: many at once can deadlock the engine's network code. */
  async warm(): Promise<void> {
    while (!this.#isClosed && this.#idle.length < this.#idleMax) this.#idle.push(await this.#make());
  }

  async acquire(): Promise<string> {
    return this.#idle.pop() ?? (await this.#make());
  }

  /** Takes a holder back once its task's container is gone. */
  async release(holderId: string): Promise<void> {
    if (this.#isClosed || this.#idle.length >= this.#idleMax) await this.discard(holderId);
    else this.#idle.push(holderId);
  }

  async discard(holderId: string): Promise<void> {
    try {
      await engineCall("remove holder", REMOVE_TIMEOUT_MS, (abortSignal) =>
        this.#docker.getContainer(holderId).remove({ force: true, v: true, abortSignal }),
      );
    } catch (error) {
      if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#idle.splice(0).map((id) => this.discard(id)));
  }

  async #make(): Promise<string> {
    const container = await engineCall("create holder", START_TIMEOUT_MS, (abortSignal) =>
      this.#docker.createContainer({
        Image: HOLDER_IMAGE,
        Cmd: ["/wait"],
        User: "65534:65534",
        Labels: { ...this.#labels },
        HostConfig: {
          NetworkMode: "none",
          CapDrop: ["ALL"],
          SecurityOpt: ["no-new-privileges"],
          ReadonlyRootfs: true,
          PidsLimit: 16,
          Memory: 32 * MIB,
          MemorySwap: 32 * MIB,
          LogConfig: { Type: "none", Config: {} },
          RestartPolicy: { Name: "no" },
        },
        abortSignal,
      }),
    );
    await engineCall("start holder", START_TIMEOUT_MS, (abortSignal) => container.start({ abortSignal }));
    return container.id;
  }
}
