import { statfsSync } from "node:fs";
import type { StoreDatabase } from "./store-database.ts";
import { storeFull } from "./store-layout.ts";

export interface RoomLimits {
  /** Bytes that the store may hold in all; 0 is as the disk allows. */
  readonly storeBytesMax: number;
  /** Bytes of the disk that stay free. */
  readonly freeBytesMin: number;
}

/** How much the store holds and what still fits. */
export class StoreRoom {
  readonly limits: RoomLimits;
  readonly #database: StoreDatabase;
  readonly #folder: string;

  constructor(database: StoreDatabase, folder: string, limits: RoomLimits) {
    this.#database = database;
    this.#folder = folder;
    this.limits = limits;
    database.exec(COUNTER);
  }

  /** Bytes of all blocks and result files. */
  get sizeBytes(): number {
    return this.#database.first<{ bytes: number }>("SELECT bytes FROM usage")?.bytes ?? 0;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#folder);
    return bavail * bsize;
  }

  /** Why the store may not hold `storeBytes` more of which `diskBytes` are not on its disk yet; undefined when it may. */
  refusal(storeBytes: number, diskBytes: number): Error | undefined {
    const { storeBytesMax, freeBytesMin } = this.limits;
    const { sizeBytes, freeBytes } = this;
    if (storeBytesMax > 0 && sizeBytes + storeBytes > storeBytesMax)
      return storeFull(`${storeBytes} bytes do not fit: it holds ${sizeBytes} and may hold ${storeBytesMax}`, undefined);
    if (diskBytes > 0 && freeBytes - diskBytes < freeBytesMin)
      return storeFull(`${diskBytes} bytes do not fit: ${freeBytes} are free and ${freeBytesMin} stay in reserve`, undefined);
    return undefined;
  }

  /** True when what could go should go. */
  get isShort(): boolean {
    const { storeBytesMax, freeBytesMin } = this.limits;
    return this.freeBytes < freeBytesMin || (storeBytesMax > 0 && this.sizeBytes > storeBytesMax);
  }
}

/** Counted once and then kept by triggers, so that a change that is undone is not counted. */
const COUNTER = `
CREATE TEMP TABLE usage (bytes INTEGER NOT NULL);
INSERT INTO usage SELECT (SELECT coalesce(sum(size), 0) FROM block) + (SELECT coalesce(sum(size_bytes), 0) FROM folder);
CREATE TEMP TRIGGER block_added AFTER INSERT ON main.block BEGIN UPDATE usage SET bytes = bytes + new.size; END;
CREATE TEMP TRIGGER block_removed AFTER DELETE ON main.block BEGIN UPDATE usage SET bytes = bytes - old.size; END;
CREATE TEMP TRIGGER folder_sized AFTER UPDATE OF size_bytes ON main.folder BEGIN UPDATE usage SET bytes = bytes + new.size_bytes - old.size_bytes; END;
CREATE TEMP TRIGGER folder_removed AFTER DELETE ON main.folder BEGIN UPDATE usage SET bytes = bytes - old.size_bytes; END;
`;
