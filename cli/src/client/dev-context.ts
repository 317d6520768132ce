import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolders } from "@skrei/platform/make-folders.ts";

/** What `skrei dev` leaves so that a second terminal finds its cluster. */
export interface DevContext {
  readonly server: string;
  readonly startedAtMs: number;
  readonly stoppedAtMs?: number;
  /** Of `skrei dev`, to tell one that was killed. */
  readonly pid?: number;
  /** Where its jobs outlive it. */
  readonly dataFolder?: string;
}

export async function readDevContext(configFolder: string): Promise<DevContext | undefined> {
  try {
    const value = JSON.parse(await readFile(pathOf(configFolder), "utf8")) as Partial<DevContext>;
    return typeof value.server === "string" && typeof value.startedAtMs === "number" ? (value as DevContext) : undefined;
  } catch {
    // No such file, or one that was written by hand and does not parse: there is no dev cluster then.
    return undefined;
  }
}

export async function writeDevContext(configFolder: string, context: DevContext): Promise<void> {
  makeFolders(join(configFolder, "contexts"));
  const path = pathOf(configFolder);
  await writeFile(`${path}.new`, `${JSON.stringify(context)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

function pathOf(configFolder: string): string {
  return join(configFolder, "contexts", "dev.json");
}
