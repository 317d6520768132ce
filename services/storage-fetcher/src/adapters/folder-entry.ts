import type { DagEntry } from "@skrei/unixfs/file-dag.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";

/** A file below a folder, with its content id. */
export interface NamedFile {
  /** With `/` between its segments; no file lies below another. */
  readonly path: string;
  readonly entry: DagEntry;
}

/** The content id of the folder that has just these files. */
export function folderEntryOf(files: readonly NamedFile[]): DagEntry {
  const root = new Folder();
  for (const { path, entry } of files) root.add(path.split("/"), entry);
  return root.build();
}

class Folder {
  readonly #files = new Map<string, DagEntry>();
  readonly #folders = new Map<string, Folder>();

  add([name = "", ...below]: readonly string[], entry: DagEntry): void {
    if (below.length === 0) return void this.#files.set(name, entry);
    const folder = this.#folders.get(name) ?? new Folder();
    this.#folders.set(name, folder);
    folder.add(below, entry);
  }

  build(): DagEntry {
    const folders = Array.from(this.#folders, ([name, folder]) => ({ name, ...folder.build() }));
    return buildFolderDag([...Array.from(this.#files, ([name, entry]) => ({ name, ...entry })), ...folders], () => undefined);
  }
}
