import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Server } from "node:net";

/** What the kernel takes, its final zero byte excluded (`sun_path`). */
const SOCKET_PATH_BYTES_MAX = 107;
/** A socket of a file system refuses at once what does not fit here, so there is room for a crowd; the kernel may take less. */
const BACKLOG = 4_096;
/** As long as all execution ids. */
const ANY_EXECUTION_ID = `e-${"0".repeat(26)}`;

/** Why sockets in this folder could not be used; undefined when they can. */
export function pathProblem(folder: string): string | undefined {
  const bytes = Buffer.byteLength(join(folder, `${ANY_EXECUTION_ID}.sock`));
  if (bytes <= SOCKET_PATH_BYTES_MAX) return undefined;
  return `sockets of doors would have paths of ${bytes} bytes, the system takes ${SOCKET_PATH_BYTES_MAX}`;
}

/** Listens there, whatever a killed proxy left; anyone may connect, for the socket is bound into sandboxes with users of their own. */
export async function listenAt(server: Server, path: string): Promise<void> {
  await rm(path, { force: true });
  server.listen({ path, backlog: BACKLOG });
  await once(server, "listening");
  await chmod(path, 0o666);
}
