import { stat } from "node:fs/promises";
import type { Logger } from "./logger.ts";

/** Folders may be mounted later, so a missing one is no mistake, but it is mostly a mistyped one. `setting` names the key. */
export async function warnMissingFolders(logger: Logger, setting: string, folders: readonly string[]): Promise<void> {
  for (const path of folders) {
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    if (!isThere) logger.warn({ event: "config.folderMissing", path, source: setting }, "a folder of the settings is not there");
  }
}
