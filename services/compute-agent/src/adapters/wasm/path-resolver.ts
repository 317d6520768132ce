import { lstatSync, readlinkSync, type BigIntStats } from "node:fs";
import type { MountPoint, SyntheticDirectory, TreeNode } from "./mount-tree.ts";
import { WasiError } from "./wasi-errno.ts";

/** A place below a mount. `stat` is undefined when nothing is there; then its parent exists and is a directory. */
export interface HostPlace {
  readonly kind: "host";
  readonly point: MountPoint;
  /** From the guest's `/`; holds no link. */
  readonly components: readonly string[];
  readonly hostPath: string;
  readonly stat: BigIntStats | undefined;
}

interface SyntheticPlace {
  readonly kind: "synthetic";
  readonly components: readonly string[];
  /** Undefined when nothing is there. */
  readonly directory: SyntheticDirectory | undefined;
}

export type Place = HostPlace | SyntheticPlace;

export interface Lookup {
  /** Components of the directory the path starts from. */
  readonly base: readonly string[];
  readonly path: string;
  /** Whether a link in last position is followed. */
  readonly isLastFollowed: boolean;
}

/**
 * Walks a guest path component by component. `..` never leaves the base directory, every link is read and
 * walked again within its own mount, absolute link targets fail: the host resolves nothing but single names.
 * The base is walked afresh each time, for the guest may have replaced a part of it by a link.
 * @throws WasiError ENOTCAPABLE for a way out, ELOOP, ENOTDIR, ENOENT, ENAMETOOLONG.
 */
export function resolvePath(root: TreeNode, { base, path, isLastFollowed }: Lookup): Place {
  checkPath(path);
  const walk = new Walk(root);
  for (const name of base) walk.enterBase(name);
  const isDirectoryWanted = path.endsWith("/") || path.endsWith("/.");
  walk.run(split(path), { floor: base.length, isLastFollowed: isLastFollowed || isDirectoryWanted });
  const place = walk.place();
  if (isDirectoryWanted && place.kind === "host" && place.stat !== undefined && !place.stat.isDirectory()) throw new WasiError("ENOTDIR");
  return place;
}

class Walk {
  readonly #root: TreeNode;
  #done: string[] = [];
  #linksLeft = LINKS_MAX;
  #last: Place;

  constructor(root: TreeNode) {
    this.#root = root;
    this.#last = this.#look([]);
  }

  place(): Place {
    return this.#last;
  }

  /** A component of an open directory: if it is a link by now, the guest swapped it. */
  enterBase(name: string): void {
    this.#step(name);
    if (!isDirectory(this.#last)) throw new WasiError("ENOENT");
  }

  run(path: readonly string[], { floor, isLastFollowed }: { floor: number; isLastFollowed: boolean }): void {
    const pending = path.toReversed().map((name) => ({ name, floor }));
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (!isDirectory(this.#last)) throw new WasiError(exists(this.#last) ? "ENOTDIR" : "ENOENT");
      this.#move(next.name, next.floor);
      const place = this.#last;
      if (place.kind !== "host" || !place.stat?.isSymbolicLink()) continue;
      if (pending.length === 0 && !isLastFollowed) return;
      const linkFloor = Math.max(next.floor, place.point.depth);
      for (const name of this.#readLink(place).toReversed()) pending.push({ name, floor: linkFloor });
    }
  }

  #move(name: string, floor: number): void {
    if (name === "..") this.#up(floor);
    else if (name !== ".") this.#step(name);
  }

  #up(floor: number): void {
    if (this.#done.length <= floor) throw new WasiError("ENOTCAPABLE");
    this.#done = this.#done.slice(0, -1);
    this.#last = this.#look(this.#done);
  }

  #step(name: string): void {
    this.#done = [...this.#done, name];
    if (this.#done.length > DEPTH_MAX) throw new WasiError("ENAMETOOLONG");
    this.#last = this.#look(this.#done);
  }

  #readLink(place: HostPlace): readonly string[] {
    if (this.#linksLeft-- === 0) throw new WasiError("ELOOP");
    // A mount that is itself a link would be re-walked from its parent, outside of the mount.
    if (place.components.length <= place.point.depth) throw new WasiError("ENOTCAPABLE");
    const target = readlinkSync(place.hostPath);
    if (target.startsWith("/")) throw new WasiError("ENOTCAPABLE");
    this.#done = this.#done.slice(0, -1);
    this.#last = this.#look(this.#done);
    return split(target);
  }

  #look(components: readonly string[]): Place {
    let node = this.#root;
    for (const [depth, name] of components.entries()) {
      if (node.kind === "mount") return lookInMount(node, components);
      const child = node.children.get(name);
      if (child === undefined) {
        if (depth < components.length - 1) throw new WasiError("ENOENT");
        return { kind: "synthetic", components, directory: undefined };
      }
      node = child;
    }
    return node.kind === "mount" ? lookInMount(node, components) : { kind: "synthetic", components, directory: node };
  }
}

function lookInMount(point: MountPoint, components: readonly string[]): HostPlace {
  const hostPath = [point.mount.hostPath, ...components.slice(point.depth)].join("/");
  const stat = lstatSync(hostPath, { bigint: true, throwIfNoEntry: false });
  return { kind: "host", point, components, hostPath, stat };
}

export function isDirectory(place: Place): boolean {
  return place.kind === "synthetic" ? place.directory !== undefined : (place.stat?.isDirectory() ?? false);
}

function exists(place: Place): boolean {
  return place.kind === "synthetic" ? place.directory !== undefined : place.stat !== undefined;
}

function checkPath(path: string): void {
  if (path === "") throw new WasiError("ENOENT");
  if (path.startsWith("/")) throw new WasiError("ENOTCAPABLE");
  if (path.length > PATH_LENGTH_MAX) throw new WasiError("ENAMETOOLONG");
}

function split(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}

const LINKS_MAX = 32;
const DEPTH_MAX = 512;
const PATH_LENGTH_MAX = 4_096;
