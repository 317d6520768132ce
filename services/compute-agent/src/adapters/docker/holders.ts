import { basename, dirname } from "node:path";
import type Docker from "dockerode";
import { DomainError, type NodeId } from "@skrei/domain";
import type { Door } from "../../ports.ts";
import { engineFailed, refusalText, statusOf } from "./engine-call.ts";
import { FullNetwork, type OutsideNetwork } from "./full-network.ts";
import { type Holder, removeHolder, startHolder } from "./holder-container.ts";
import { ensureHolderImage } from "./holder-image.ts";
import { HolderPool } from "./holder-pool.ts";
import { SlotFolders } from "./slot-folders.ts";
import type { TaskContainers } from "./task-container.ts";

interface HoldersOptions {
  readonly labelsOf: (holder: Omit<Holder, "id">) => Readonly<Record<string, string>>;
  readonly idleMax: number;
  readonly slots: SlotFolders;
  readonly network: FullNetwork;
  /** `uid:gid` of tasks. */
  readonly user: string;
}

export function createHolders(
  docker: Docker,
  containers: TaskContainers,
  options: { readonly nodeId: NodeId; readonly holdersIdleMax: number; readonly slotsFolder: string; readonly user: string },
): Holders {
  return new Holders(docker, {
    labelsOf: (holder) => containers.holderLabels(holder),
    idleMax: options.holdersIdleMax,
    slots: new SlotFolders(options.slotsFolder),
    network: new FullNetwork(docker, { nodeId: options.nodeId, labels: containers.networkLabels() }),
    user: options.user,
  });
}

const LOOPBACK_ONLY = { mode: "none", slotId: "", doorsFolder: "" } as const satisfies Omit<Holder, "id">;

/**
 * The holders of this node's tasks. Those for none and http have loopback and nothing else, are made ahead and used again; one for
 * full is made for its task, as what it is closed to is that door's.
 */
export class Holders {
  readonly #docker: Docker;
  readonly #options: HoldersOptions;
  /** By the proxy's folder of doors; "" for none. */
  readonly #pools = new Map<string, HolderPool>();
  #image: string | undefined;
  /** Those that are not idle. */
  readonly #inUse = new Map<string, Holder>();

  constructor(docker: Docker, options: HoldersOptions) {
    this.#docker = docker;
    this.#options = options;
  }

  /** Takes up what an earlier agent left: keeps those that tasks are joined to, removes the rest and makes new ones. */
  async takeUp(found: readonly Holder[], joined: ReadonlySet<string>): Promise<void> {
    this.#image = await ensureHolderImage(this.#docker);
    for (const holder of found) {
      this.#inUse.set(holder.id, holder);
      if (!joined.has(holder.id)) await this.discard(holder.id);
    }
    await this.#options.slots.removeAllBut(new Set([...this.#inUse.values()].map(({ slotId }) => slotId)));
    (await this.#poolOf("")).warm();
  }

  /** A holder whose connections, if it relays any, end at the door. @throws DomainError unavailable/ENGINE_FAILED, unavailable/DOOR_FAILED. */
  async acquire(door: Door): Promise<string> {
    try {
      const holder = await this.#take(door);
      this.#inUse.set(holder.id, holder);
      return await this.#lead(holder, door);
    } catch (error) {
      // Somebody may have removed the image.
      if (statusOf(error) === 404) this.#image = undefined;
      if (error instanceof DomainError) throw error;
      throw engineFailed(`the network holder cannot be made: ${refusalText(error)}`, error);
    }
  }

  /** Takes a holder back once its task's container is gone. */
  async release(holderId: string): Promise<void> {
    const holder = this.#inUse.get(holderId);
    if (holder === undefined || holder.mode === "full" || !(await this.#isCleared(holder))) return await this.discard(holderId);
    this.#inUse.delete(holderId);
    const isKept = this.#pools.get(holder.doorsFolder)?.offer(holder) === true;
    if (!isKept) await this.#remove(holder);
  }

  async discard(holderId: string): Promise<void> {
    const holder = this.#inUse.get(holderId) ?? { ...LOOPBACK_ONLY, id: holderId };
    await this.#remove(holder);
    this.#inUse.delete(holderId);
  }

  /** When one has died, the others may have as well. */
  async discardIdle(): Promise<void> {
    this.#options.network.forget();
    for (const pool of this.#pools.values()) for (const holder of pool.takeAll()) await this.#remove(holder);
  }

  async close(): Promise<void> {
    for (const pool of this.#pools.values()) await this.#closePool(pool);
    await this.#options.network.close();
  }

  async #take(door: Door): Promise<Holder> {
    if (door.mode === "none") return await (await this.#poolOf("")).acquire();
    if (door.mode === "full") return await this.#makeOutside(door);
    if (door.socketPath === "") throw new DomainError("unavailable", "DOOR_FAILED", "the network-proxy opened a door without a socket");
    const pool = await this.#poolOf(dirname(door.socketPath));
    const holder = await pool.acquire();
    pool.warm();
    return holder;
  }

  async #lead(holder: Holder, door: Door): Promise<string> {
    if (holder.slotId === "") return holder.id;
    try {
      await this.#options.slots.point(holder.slotId, basename(door.socketPath));
      return holder.id;
    } catch (error) {
      await this.discard(holder.id);
      throw error;
    }
  }

  async #isCleared({ slotId }: Holder): Promise<boolean> {
    if (slotId === "") return true;
    return await this.#options.slots.clear(slotId).then(
      () => true,
      () => false,
    );
  }

  async #poolOf(doorsFolder: string): Promise<HolderPool> {
    const known = this.#pools.get(doorsFolder);
    if (known !== undefined) return known;
    const make = (): Promise<Holder> => (doorsFolder === "" ? this.#makeHolder(LOOPBACK_ONLY) : this.#makeRelay(doorsFolder));
    const pool = new HolderPool(make, this.#options.idleMax);
    // The proxy has moved: holders that look into its old folder lead nowhere.
    const outdated = [...this.#pools].filter(([folder]) => folder !== "" && doorsFolder !== "");
    this.#pools.set(doorsFolder, pool);
    for (const [folder, old] of outdated) {
      this.#pools.delete(folder);
      await this.#closePool(old);
    }
    return pool;
  }

  async #makeOutside(door: Door): Promise<Holder> {
    if (Number.parseInt(this.#options.user, 10) === 0) throw rootRefused();
    const make = async (): Promise<Holder> =>
      await this.#makeHolder({ ...LOOPBACK_ONLY, mode: "full" }, await this.#options.network.outside(door));
    try {
      return await make();
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
      // Somebody has removed the network since.
      this.#options.network.forget();
      return await make();
    }
  }

  async #makeRelay(doorsFolder: string): Promise<Holder> {
    const slotId = await this.#options.slots.create();
    try {
      return await this.#makeHolder({ mode: "http", slotId, doorsFolder });
    } catch (error) {
      await this.#options.slots.remove(slotId);
      throw error;
    }
  }

  async #makeHolder(holder: Omit<Holder, "id">, outside?: OutsideNetwork): Promise<Holder> {
    const { slotId, doorsFolder } = holder;
    this.#image ??= await ensureHolderImage(this.#docker);
    const id = await startHolder(this.#docker, {
      image: this.#image,
      labels: this.#options.labelsOf(holder),
      ...(slotId !== "" && { door: { slotFolder: this.#options.slots.pathOf(slotId), doorsFolder } }),
      ...(outside !== undefined && { outside }),
    });
    return { ...holder, id };
  }

  async #closePool(pool: HolderPool): Promise<void> {
    const idle = await pool.close();
    await Promise.allSettled(idle.map((holder) => this.#remove(holder)));
  }

  /** The folder goes even if the engine does not answer: what is relayed ends with it. */
  async #remove({ id, slotId }: Holder): Promise<void> {
    if (slotId !== "") await this.#options.slots.remove(slotId);
    try {
      await removeHolder(this.#docker, id);
    } catch (error) {
      if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
    }
  }
}

/** What lets the engine's resolver through would let such a task through. */
function rootRefused(): DomainError {
  const message = "this node's tasks run as root, which mode full cannot confine";
  return new DomainError("precondition", "NETWORK_MODE_NOT_OFFERED", message, { hint: "set dockerUser of the node to another user" });
}
