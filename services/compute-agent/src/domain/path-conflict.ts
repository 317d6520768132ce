import type { Mount, RunSpec } from "./run.ts";

/** Another run of this node that has paths of the node. */
export interface NeighbourRun {
  readonly run: RunSpec;
  /** Its mounts stay what they are, whatever names change. */
  readonly isMounted: boolean;
}

/** A path of the node, and the folder on its way of which a task may change the names. */
export interface PathConflict {
  readonly path: string;
  readonly folder: string;
}

/**
 * Engines mount by name: between the check of a path and its mount, a task that may write to a folder on the way could put a link there
 * that leads anywhere on the node. So none is mounted while such a task runs, and no such task starts while one is being mounted.
 */
export function findPathConflict(mounts: readonly Mount[], neighbours: readonly NeighbourRun[]): PathConflict | undefined {
  for (const { run: other, isMounted } of neighbours) {
    const conflict = conflictOf(mounts, other.mounts) ?? (isMounted ? undefined : conflictOf(other.mounts, mounts));
    if (conflict !== undefined) return conflict;
  }
  return undefined;
}

function conflictOf(reader: readonly Mount[], writer: readonly Mount[]): PathConflict | undefined {
  for (const { hostPath: folder } of hostData(writer).filter(({ isReadOnly }) => !isReadOnly)) {
    const path = hostData(reader).find(({ hostPath }) => isBelow(hostPath, folder))?.hostPath;
    if (path !== undefined) return { path, folder };
  }
  return undefined;
}

function hostData(mounts: readonly Mount[]): readonly Mount[] {
  return mounts.filter(({ isHostData }) => isHostData === true);
}

function isBelow(path: string, folder: string): boolean {
  return path !== folder && path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
