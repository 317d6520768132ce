import { DomainError } from "@skrei/domain";
import { compileKeyPattern } from "./key-pattern.ts";

/** What selection and partitioning look at. */
export interface KeyedObject {
  readonly key: string;
}

export interface PlannedFile<T extends KeyedObject> {
  readonly object: T;
  /** Segments of the path below the input's folder; none is empty, `.` or `..`. */
  readonly path: readonly string[];
}

/** Whether a key, without the prefix, has a match of `filter` (RE2) somewhere. @throws DomainError invalid/FIELD_INVALID. */
export function keyFilter(prefix: string, filter: string): (object: KeyedObject) => boolean {
  const pattern = compileKeyPattern(filter);
  return ({ key }) => pattern(withoutPrefix(key, prefix)) !== undefined;
}

/** Keys that end in `/` stand for folders; they hold no data of a job. */
export function isFolder({ key }: KeyedObject): boolean {
  return key.endsWith("/");
}

/**
 * Where each object of a prefix lies below the input's folder: its key without the folders of the prefix, so `logs/2024-*` gives
 * `2024-01.txt`, not `logs/2024-01.txt`. Folder objects are left out.
 * @throws DomainError invalid/FIELD_INVALID for keys that are no safe path, and for two keys that cannot both be files (`a` and `a/b`).
 */
export function planFiles<T extends KeyedObject>(objects: readonly T[], prefix: string): readonly PlannedFile<T>[] {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const files = objects.filter((object) => !isFolder(object)).map((object) => ({ object, path: pathOf(object.key, folder) }));
  const taken = new Set(files.map(({ path }) => path.join("/")));
  if (taken.size !== files.length) throw unusable("two objects have the same path");
  for (const { object, path } of files) {
    const parents = path.slice(0, -1).map((_, index) => path.slice(0, index + 1).join("/"));
    if (parents.some((parent) => taken.has(parent))) throw unusable(`${quoted(object.key)} lies in a folder that is also an object`);
  }
  return files;
}

/** The key as patterns and partitions see it: without the prefix and one slash. */
export function withoutPrefix(key: string, prefix: string): string {
  return key.startsWith(prefix) ? key.slice(prefix.length) : key;
}

function pathOf(key: string, folder: string): readonly string[] {
  const path = withoutPrefix(key, folder).split("/");
  const bad = path.find((segment) => segment === "" || segment === "." || segment === ".." || segment.includes("\0"));
  if (bad !== undefined) throw unusable(`${quoted(key)} is no path`);
  if (path.some((segment) => Buffer.byteLength(segment) > SEGMENT_BYTES_MAX)) throw unusable(`${quoted(key)} has too long a name`);
  return path;
}

function quoted(key: string): string {
  return JSON.stringify(key.slice(0, 128));
}

function unusable(what: string): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `The objects cannot be laid out as files: ${what}.`, {
    hint: "Choose a narrower key or a filter that leaves such objects out.",
  });
}

/** As Linux file systems limit it. */
const SEGMENT_BYTES_MAX = 255;
