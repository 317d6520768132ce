import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open } from "node:fs/promises";

/**
 * A folder held open. Names are looked up below the descriptor, so they lead nowhere else, whatever others rename or link meanwhile.
 */
export class HeldFolder implements AsyncDisposable {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** @throws the system's error, ELOOP or ENOTDIR for what is no folder itself. */
  static async open(path: string): Promise<HeldFolder> {
    return new HeldFolder(await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
  }

  /** Good while it is held, also for other programs. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#handle.fd}`;
  }

  child(name: string): string {
    return `${this.path}/${name}`;
  }

  /** A folder in it, made if need be. */
  async enter(name: string): Promise<HeldFolder> {
    await mkdir(this.child(name)).catch(ignoreExisting);
    return await HeldFolder.open(this.child(name));
  }

  async find(name: string): Promise<Stats | undefined> {
    try {
      return await lstat(this.child(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

function ignoreExisting(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
}
