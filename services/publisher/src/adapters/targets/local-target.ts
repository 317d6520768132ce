import { chmod, realpath, rename } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { DomainError } from "@skrei/domain";
import { removeTree } from "@skrei/platform/remove-tree.ts";
import { syncFiles } from "@skrei/platform/sync-files.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import { fillTargetName } from "../../domain/target-name.ts";
import type { Delivery, TargetPort } from "../../ports.ts";
import { isSameTree } from "./compare-tree.ts";
import { HeldFolder } from "./held-folder.ts";
import { badName, notOffered, refused, unavailable } from "./target-errors.ts";
import { treeEntries } from "./tree-entries.ts";
import { writeTree } from "./write-tree.ts";

type LocalTarget = { readonly type: "local"; readonly path: string };

export interface LocalTargetOptions {
  /** Folders of the node below which results may go. */
  readonly folders: readonly string[];
  readonly load: LoadBlock;
}

/** New folders of the node. They appear as a whole or not at all, and never through a link. */
export class LocalTargetAdapter implements TargetPort<LocalTarget> {
  readonly #options: LocalTargetOptions;

  constructor(options: LocalTargetOptions) {
    this.#options = options;
  }

  check({ path }: LocalTarget): void {
    this.#rootOf(path);
  }

  async deliver({ target, result, onProgress }: Delivery<LocalTarget>, signal: AbortSignal): Promise<string> {
    // Values of placeholders have no slash, so what is below the folder stays below it.
    const root = this.#rootOf(target.path);
    const path = fillTargetName(target.path, result);
    if (path === undefined || path.endsWith("/")) throw badName(target.path);
    try {
      await this.#place({ root, path, result, onProgress }, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw asTargetError(error, path);
    }
    return pathToFileURL(path).href;
  }

  async #place({ root, path, result, onProgress }: Placing, signal: AbortSignal): Promise<void> {
    const { load } = this.#options;
    const names = path.slice(root.length + 1).split("/");
    const name = names.pop() ?? "";
    await using held = new AsyncDisposableStack();
    let parent = held.use(await HeldFolder.open(await realpath(root)));
    for (const above of names) parent = held.use(await parent.enter(above));
    const found = await parent.find(name);
    if (found !== undefined) {
      // What an earlier try finished is what was asked for.
      if (found.isDirectory() && (await isSameTree(treeEntries(load, result.cid), parent.child(name), signal))) return;
      throw refused(`There is something else at ${path} already.`, "Use {executionID} in the path, or remove what is there.");
    }
    const scratch = `.${result.executionId}.part`;
    await removeTree(parent.child(scratch));
    try {
      const folder = held.use(await parent.enter(scratch));
      // Nobody else looks into it before it is whole.
      await chmod(folder.path, 0o700);
      const written = await writeTree(treeEntries(load, result.cid), folder.path, { onProgress, signal });
      await syncFiles(folder.path, written);
      await chmod(folder.path, 0o755);
      await rename(parent.child(scratch), parent.child(name));
      await parent.sync();
    } catch (error) {
      await removeTree(parent.child(scratch));
      throw error;
    }
  }

  #rootOf(path: string): string {
    const { folders } = this.#options;
    const root = folders.map((folder) => folder.replace(/\/+$/u, "")).find((folder) => path.startsWith(`${folder}/`));
    if (root !== undefined) return root;
    const what = folders.length === 0 ? "The node does not publish to folders of its own" : "The node does not publish there";
    throw notOffered(`${what}: ${path.slice(0, 128)}.`, "The operator lists a folder above it in publishFolders.");
  }
}

interface Placing extends Pick<Delivery, "result" | "onProgress"> {
  readonly root: string;
  readonly path: string;
}

function asTargetError(error: unknown, path: string): unknown {
  if (error instanceof DomainError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  const message = `The result cannot be written to ${path}: ${code}.`;
  if (FOR_GOOD.has(code))
    return refused(message, "Check the path, and that the publisher may write there; links on the way are not followed.", error);
  return unavailable(message, error);
}

const FOR_GOOD = new Set(["ELOOP", "ENOTDIR", "ENAMETOOLONG", "EACCES", "EPERM", "EROFS", "EINVAL", "EEXIST", "ENOTEMPTY", "EFBIG"]);
