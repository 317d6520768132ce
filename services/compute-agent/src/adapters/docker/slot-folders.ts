import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, rename, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";

/** Where a holder finds the proxy's doors and its slot, in its own file system. */
export const IN_HOLDER = { doors: "/doors", slot: "/slot" } as const;

const LINK = "door";
const NEXT_LINK = ".door-next";

/** One folder for each holder that relays: its link `door` says at which door of the proxy's the holder's connections end. */
export class SlotFolders {
  readonly #folder: string;

  constructor(folder: string) {
    // The engine takes nothing else.
    this.#folder = resolve(folder);
  }

  pathOf(slotId: string): string {
    return join(this.#folder, slotId);
  }

  async create(): Promise<string> {
    const slotId = randomBytes(8).toString("hex");
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await mkdir(this.pathOf(slotId));
    // The holder's user looks into it; the folder above keeps other users of the host out. mkdir's mode is cut by the umask.
    await chmod(this.pathOf(slotId), 0o755);
    return slotId;
  }

  /** From now on connections end at the door whose socket has that name; those of before are reset. */
  async point(slotId: string, socketName: string): Promise<void> {
    const next = join(this.pathOf(slotId), NEXT_LINK);
    await rm(next, { force: true });
    await symlink(`${IN_HOLDER.doors}/${socketName}`, next);
    await rename(next, join(this.pathOf(slotId), LINK));
  }

  /** From now on connections are reset. */
  async clear(slotId: string): Promise<void> {
    await rm(join(this.pathOf(slotId), LINK), { force: true });
  }

  async remove(slotId: string): Promise<void> {
    await rm(this.pathOf(slotId), { recursive: true, force: true });
  }

  async removeAllBut(kept: ReadonlySet<string>): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const slotId of await readdir(this.#folder)) if (!kept.has(slotId)) await this.remove(slotId);
  }
}
