import { createHmac, timingSafeEqual } from "node:crypto";
import type Docker from "dockerode";
import type { ContainerInspectInfo } from "dockerode";
import type { ExecutionId, NetworkMode, NodeId } from "@skrei/domain";
import { containerName } from "./container-options.ts";
import { engineCall, statusOf } from "./engine-call.ts";
import type { Holder } from "./holder-container.ts";

const INSPECT_TIMEOUT_MS = 20_000;

const LABEL = {
  node: "skrei.node",
  role: "skrei.role",
  execution: "skrei.execution",
  mode: "skrei.mode",
  slot: "skrei.slot",
  doors: "skrei.doors",
  /** Keyed with the node's secret, so that an image which carries our labels is neither adopted nor swept. */
  mark: "skrei.mark",
} as const;

/** Finds and recognises the containers of this node's tasks. */
export class TaskContainers {
  readonly #docker: Docker;
  readonly #nodeId: NodeId;
  readonly #secret: string;

  constructor(docker: Docker, options: { nodeId: NodeId; secret: string }) {
    this.#docker = docker;
    this.#nodeId = options.nodeId;
    this.#secret = options.secret;
  }

  labels(executionId: ExecutionId): Record<string, string> {
    return { [LABEL.node]: this.#nodeId, [LABEL.role]: "task", [LABEL.execution]: executionId, [LABEL.mark]: this.#markOf(executionId) };
  }

  holderLabels({ mode, slotId, doorsFolder }: Omit<Holder, "id">): Record<string, string> {
    return {
      [LABEL.node]: this.#nodeId,
      [LABEL.role]: "holder",
      [LABEL.mode]: mode,
      [LABEL.slot]: slotId,
      [LABEL.doors]: doorsFolder,
      [LABEL.mark]: this.#markOf("holder"),
    };
  }

  networkLabels(): Record<string, string> {
    return { [LABEL.node]: this.#nodeId, [LABEL.mark]: this.#markOf("network") };
  }

  /** The container of an execution, if the engine has one that is ours. */
  async find(executionId: ExecutionId): Promise<ContainerInspectInfo | undefined> {
    try {
      const info = await engineCall("inspect container", INSPECT_TIMEOUT_MS, (abortSignal) =>
        this.#docker.getContainer(containerName(executionId)).inspect({ abortSignal }),
      );
      return this.#isOurs(info.Config.Labels, executionId) ? info : undefined;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** All of them, running or not. */
  async list(): Promise<readonly { executionId: ExecutionId; isRunning: boolean; holderId: string }[]> {
    const found = await this.#listByRole("task");
    return found.flatMap(({ Labels, State, HostConfig }) => {
      const executionId = Labels[LABEL.execution] as ExecutionId | undefined;
      if (executionId === undefined || !this.#isOurs(Labels, executionId)) return [];
      return [{ executionId, isRunning: State === "running", holderId: holderOf(HostConfig.NetworkMode) }];
    });
  }

  async listHolders(): Promise<readonly Holder[]> {
    const found = await this.#listByRole("holder");
    return found
      .filter(({ Labels }) => this.#isOurs(Labels, "holder"))
      .map(({ Id, Labels }) => ({
        id: Id,
        mode: (Labels[LABEL.mode] ?? "none") as NetworkMode,
        slotId: Labels[LABEL.slot] ?? "",
        doorsFolder: Labels[LABEL.doors] ?? "",
      }));
  }

  async #listByRole(role: string): Promise<readonly Docker.ContainerInfo[]> {
    const label = [`${LABEL.node}=${this.#nodeId}`, `${LABEL.role}=${role}`];
    return await engineCall("list containers", INSPECT_TIMEOUT_MS, (abortSignal) =>
      this.#docker.listContainers({ all: true, filters: { label }, abortSignal }),
    );
  }

  #markOf(what: string): string {
    return createHmac("sha256", this.#secret).update(what).digest("hex");
  }

  #isOurs(labels: Readonly<Record<string, string>>, what: string): boolean {
    const mark = Buffer.from(labels[LABEL.mark] ?? "");
    const expected = Buffer.from(this.#markOf(what));
    return mark.length === expected.length && timingSafeEqual(mark, expected);
  }
}

/** The container whose network a container joined; empty when it joined none. */
export function holderOf(networkMode: string | undefined): string {
  return networkMode?.startsWith("container:") === true ? networkMode.slice("container:".length) : "";
}
