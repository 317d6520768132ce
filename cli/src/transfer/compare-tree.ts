import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { BlockSource } from "./block-source.ts";
import { isSameFile, statOf } from "./local-file.ts";
import { NodeLoader } from "./node-loader.ts";
import { staysInside } from "./result-link.ts";
import { type TreeEntry, walkTree } from "./walk-tree.ts";

export interface Difference {
  readonly kind: "missing" | "changed" | "extra";
  /** Names below the folder that is compared; empty for that itself. */
  readonly path: readonly string[];
}

export interface CompareTotals {
  files: number;
  sizeBytes: number;
}

/**
 * How what is at `base` differs from what is below `root`, with nothing fetched but inner nodes, and those only of folders that
 * are here. What is missing is named by its topmost folder, and so is what is extra. Counts what is the same.
 */
export async function* compareTree(source: BlockSource, root: ContentId, base: string, same: CompareTotals): AsyncGenerator<Difference> {
  const nodes = new NodeLoader(source, { readsAhead: true });
  const extras = new Extras(base);
  const isHere = (path: readonly string[]): boolean => statOf(join(base, ...path))?.isDirectory() === true;
  for await (const entry of walkTree(nodes, root, { enters: isHere })) {
    yield* extras.pass(entry.path);
    if (entry.kind === "folder" && isHere(entry.path)) extras.enter(entry.path);
    const kind = await differenceOf(nodes, entry, base);
    if (kind !== undefined) yield { kind, path: entry.path };
    else if (entry.kind === "file") {
      same.files += 1;
      same.sizeBytes += statOf(join(base, ...entry.path))?.size ?? 0;
    }
  }
  yield* extras.pass([]);
}

/** What is here and not in the result, told when a walk leaves a folder. */
class Extras {
  readonly #base: string;
  readonly #open: { readonly path: readonly string[]; readonly names: Set<string> }[] = [];

  constructor(base: string) {
    this.#base = base;
  }

  enter(path: readonly string[]): void {
    this.#open.push({ path, names: new Set() });
  }

  /** The next entry of the walk; the empty path at its end. */
  *pass(path: readonly string[]): Generator<Difference> {
    for (let top = this.#open.at(-1); top !== undefined && top.path.length >= path.length; top = this.#open.at(-1)) {
      for (const name of readdirSync(join(this.#base, ...top.path)).toSorted())
        if (!top.names.has(name)) yield { kind: "extra", path: [...top.path, name] };
      this.#open.pop();
    }
    const name = path.at(-1);
    if (name !== undefined) this.#open.at(-1)?.names.add(name);
  }
}

async function differenceOf(nodes: NodeLoader, entry: TreeEntry, base: string): Promise<Difference["kind"] | undefined> {
  const path = join(base, ...entry.path);
  const stats = statOf(path);
  // A link that leads out of the result is never written.
  if (entry.kind === "symlink" && !staysInside(entry.path, entry.target)) return stats === undefined ? undefined : "changed";
  if (stats === undefined) return "missing";
  switch (entry.kind) {
    case "folder":
      return stats.isDirectory() ? undefined : "changed";
    case "symlink":
      return stats.isSymbolicLink() && readlinkSync(path) === entry.target ? undefined : "changed";
    case "file":
      return (await isSameFile(nodes, path, entry)) ? undefined : "changed";
  }
}
