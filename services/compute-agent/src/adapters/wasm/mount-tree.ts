/** A host folder or file placed into the guest's tree. */
export interface HostMount {
  readonly hostPath: string;
  /** Absolute path in the guest, such as `/inputs`. */
  readonly target: string;
  readonly isReadOnly: boolean;
  /** The node's own; what the guest does there counts to no quota. */
  readonly isHostData?: true;
}

/** A directory that exists only to lead to mounts; always read-only. */
export interface SyntheticDirectory {
  readonly kind: "synthetic";
  readonly children: Map<string, TreeNode>;
}

export interface MountPoint {
  readonly kind: "mount";
  readonly mount: HostMount;
  /** Number of components of the target. */
  readonly depth: number;
  /** Tells mounts apart; shown to the guest as the device number. */
  readonly device: number;
}

export type TreeNode = SyntheticDirectory | MountPoint;

/**
 * The guest's whole file tree from `/` down to the mounts. The guest gets one preopen, `/`, so that any
 * absolute path just works. Below a mount the tree is the host's.
 * @throws Error when two targets are equal or one lies in another.
 */
export function buildMountTree(mounts: readonly HostMount[]): TreeNode {
  const root: SyntheticDirectory = { kind: "synthetic", children: new Map() };
  let device = 2;
  for (const mount of mounts) {
    const components = mount.target.split("/").filter((part) => part !== "");
    const name = components.at(-1);
    const point: MountPoint = { kind: "mount", mount, depth: components.length, device: device++ };
    if (name === undefined) {
      if (mounts.length > 1) throw new Error("nothing can be mounted beside a mount at /");
      return point;
    }
    const parent = makeParents(root, components.slice(0, -1), mount.target);
    if (parent.children.has(name)) throw new Error(`the mount ${mount.target} overlaps another`);
    parent.children.set(name, point);
  }
  return root;
}

function makeParents(root: SyntheticDirectory, components: readonly string[], target: string): SyntheticDirectory {
  let directory = root;
  for (const component of components) {
    const child = directory.children.get(component) ?? { kind: "synthetic", children: new Map() };
    if (child.kind === "mount") throw new Error(`the mount ${target} lies inside the mount ${child.mount.target}`);
    directory.children.set(component, child);
    directory = child;
  }
  return directory;
}
