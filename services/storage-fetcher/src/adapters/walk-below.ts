import { constants, type Stats } from "node:fs";
import { chmod, mkdir, open, type FileHandle } from "node:fs/promises";
import { relative, sep } from "node:path";
import { DomainError } from "@skrei/domain";

/**
 * What is at `path`, which lies below `root`, walking by handles that follow no link, so that nothing outside is reached or made however
 * names change meanwhile. With `makes`, what is missing is made: folders on the way, and that at the end, where tasks may write.
 * @throws DomainError forbidden/SOURCE_NOT_ALLOWED, unavailable/SOURCE_UNREACHABLE.
 */
export async function walkBelow(root: string, path: string, makes: "folder" | "file" | undefined): Promise<Stats> {
  await using handles = new AsyncDisposableStack();
  const names = relative(root, path)
    .split(sep)
    .filter((name) => name !== "");
  let handle = handles.use(await openEntry(root, path));
  for (const [index, name] of names.entries()) {
    // A path through the handle is a path from that very folder, whatever its name leads to by now.
    const at = `/proc/self/fd/${handle.fd}/${name}`;
    const isEnd = index === names.length - 1;
    const isMade = makes !== undefined && (await make(at, isEnd ? makes : "folder"));
    handle = handles.use(await openEntry(at, path));
    if (isMade && isEnd && makes === "folder") await openToTasks(handle);
  }
  return await handle.stat();
}

/** Tasks have users of their own. */
async function openToTasks(folder: FileHandle): Promise<void> {
  const { birthtimeNs, ctimeNs } = await folder.stat({ bigint: true });
  // Another folder that was moved to this place meanwhile keeps its mode; moving it changed its ctime.
  if (birthtimeNs === ctimeNs) await chmod(`/proc/self/fd/${folder.fd}`, 0o777);
}

/** Opens without reading and without following, so that a pipe does not wait for its other end. */
async function openEntry(path: string, real: string): Promise<FileHandle> {
  const handle = await open(path, O_PATH | constants.O_NOFOLLOW).catch((cause: unknown) => {
    throw changed(real, cause);
  });
  if (!(await handle.stat()).isSymbolicLink()) return handle;
  await handle.close();
  throw changed(real, undefined);
}

/** False when it was there: what somebody else made meanwhile is as good, if it is no link, which the walk sees. */
async function make(path: string, what: "folder" | "file"): Promise<boolean> {
  try {
    if (what === "folder") await mkdir(path);
    else await makeFile(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new DomainError("unavailable", "SOURCE_UNREACHABLE", `The ${what} could not be made on this node.`, {
      hint: "The storage-fetcher must be allowed to write below the folders that end in `:rw`.",
      cause,
    });
  }
}

async function makeFile(path: string): Promise<void> {
  await using file = await open(path, "wx");
  await file.chmod(0o666);
}

function changed(real: string, cause: unknown): DomainError {
  return new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `The path ${real} was changed while it was looked at, or cannot be opened.`, {
    hint: "Run the job again when nobody moves its inputs.",
    cause,
  });
}

/** Linux; Node does not name it. */
const O_PATH = 0o10_000_000;
