import { lchown } from "node:fs/promises";
import type { Mount } from "../../ports.ts";

/** What is the task's own: the node's data that it may change is not among it. */
export function outputFolders(mounts: readonly Mount[]): readonly string[] {
  return mounts.filter(({ isReadOnly, isHostData }) => !isReadOnly && isHostData !== true).map(({ hostPath }) => hostPath);
}

/** The task runs as a user of its own; what it may write must be that user's. An agent that is not root cannot give anything away. */
export async function giveToTask(folders: readonly string[], user: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const [uid = 0, gid = 0] = user.split(":").map(Number);
  for (const folder of folders) await lchown(folder, uid, gid);
}
