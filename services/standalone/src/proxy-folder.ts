import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServiceStack } from "@skrei/platform/lifecycle.ts";

/** Below the folder come `/doors/`, an execution id and `.sock`; the kernel takes 107 bytes for the path of a socket, macOS 103. */
const FOLDER_BYTES_MAX = 60;

/**
 * Where a node's network-proxy keeps its journal and sockets: in the node's folder, by a short name of a folder that is long. The
 * name is gone when the cluster stops, the folder stays.
 */
export async function openProxyFolder(nodeFolder: string, started: ServiceStack): Promise<string> {
  const folder = join(nodeFolder, "net");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (Buffer.byteLength(folder) <= FOLDER_BYTES_MAX) return folder;
  const short = await mkdtemp(join(tmpdir(), "s-"));
  started.defer(async () => await rm(short, { recursive: true, force: true }));
  await symlink(folder, join(short, "n"), "dir");
  return join(short, "n");
}
