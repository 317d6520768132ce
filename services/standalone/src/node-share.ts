import { statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";

/** What one of the nodes may use of the machine that all of them share. */
export interface NodeShare {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

const GIB = 1024 ** 3;
/** Room for a job with the default needs, however many nodes there are. */
const MEMORY_BYTES_MIN = GIB;
const DISK_BYTES_MIN = 4 * GIB;
const MEMORY_PART = 0.6;
const DISK_PART = 0.5;

/** Cores are shared in time, so every node offers all of them; memory and disk are divided. */
export async function shareOfMachine(nodes: number, folder: string): Promise<NodeShare> {
  const { bavail, bsize } = await statfs(folder);
  return {
    cpuMillis: availableParallelism() * 1000,
    memoryBytes: Math.max(MEMORY_BYTES_MIN, Math.floor((totalmem() * MEMORY_PART) / nodes)),
    diskBytes: Math.max(DISK_BYTES_MIN, Math.floor((bavail * bsize * DISK_PART) / nodes)),
  };
}
