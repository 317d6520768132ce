import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DomainError } from "@skrei/domain";

/**
 * Holds the data folder for this process until disposed. The lock is SQLite's on an open file: the kernel drops it with the
 * process, however that ends. @throws DomainError precondition/DATA_LOCKED.
 */
export function lockDataFolder(dataFolder: string): Disposable {
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
