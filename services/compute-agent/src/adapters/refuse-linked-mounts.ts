import { lstat } from "node:fs/promises";
import { resolve } from "node:path";
import { DomainError } from "@skrei/domain";
import type { Mount } from "../ports.ts";

/**
 * Inputs come from a service that checked them, but engines follow a link wherever it leads, so it is looked at once more just
 * before one gets the paths. Links above a mount are the operator's, such as a data folder that was moved.
 * @throws DomainError unavailable/SANDBOX_FAILED.
 */
export async function refuseLinkedMounts(mounts: readonly Mount[]): Promise<void> {
  for (const { hostPath, target } of mounts) {
    if (!(await isLink(hostPath))) continue;
    throw new DomainError(
      "unavailable",
      "SANDBOX_FAILED",
      `the mount ${target} leads to a symbolic link on the node, which is not followed`,
      {
        hint: "give the task an input that is a file or a folder",
      },
    );
  }
}

async function isLink(path: string): Promise<boolean> {
  try {
    // Resolved, as with a slash at its end a link is followed.
    return (await lstat(resolve(path))).isSymbolicLink();
  } catch (error) {
    // The engine may see more than the agent does, such as a local input while the agent is in a container; it says what is wrong.
    if (error instanceof Error && "code" in error && UNSEEN.has(error.code)) return false;
    throw error;
  }
}

const UNSEEN: ReadonlySet<unknown> = new Set(["ENOENT", "ENOTDIR", "EACCES"]);
