import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DomainError, hasReason } from "@skrei/domain";

const SLOTS_MAX = 1_000;
const SLOT = "{slot}";

/** A data folder that is this process's alone, until disposed. */
export interface ClaimedFolder extends Disposable {
  readonly path: string;
}

/**
 * Creates and locks the folder. `{slot}` in the path becomes the first number whose folder is free, so that many agents of one
 * description can run side by side and a restarted one finds a folder of before. @throws DomainError precondition/DATA_LOCKED.
 */
export function claimDataFolder(template: string): ClaimedFolder {
  const slots = template.includes(SLOT) ? SLOTS_MAX : 1;
  for (let slot = 0; ; slot++) {
    const path = template.replace(SLOT, String(slot));
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const lock = lockDataFolder(path);
      return { path, [Symbol.dispose]: () => lock[Symbol.dispose]() };
    } catch (error) {
      if (!hasReason(error, "DATA_LOCKED") || slot + 1 >= slots) throw error;
    }
  }
}

/**
 * Holds the data folder for this process until disposed. The lock is SQLite's on an open file: the kernel drops it with the
 * process, however that ends. @throws DomainError precondition/DATA_LOCKED.
 */
function lockDataFolder(dataFolder: string): Disposable {
  const database = new DatabaseSync(join(dataFolder, "lock"), { timeout: 0 });
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    throw new DomainError("precondition", "DATA_LOCKED", `another process uses ${dataFolder}`, {
      hint: "stop the other agent, or give this one a data folder of its own",
      cause,
    });
  }
  return {
    [Symbol.dispose]: () => {
      if (database.isOpen) database.close();
    },
  };
}
