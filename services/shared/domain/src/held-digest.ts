import type { ExecutionState } from "./execution-state.ts";
import type { ExecutionId } from "./ids.ts";

/** An execution that has not ended, as one side knows it. */
export interface HeldExecution {
  readonly id: ExecutionId;
  readonly epoch: number;
  readonly state: ExecutionState;
}

/**
 * FNV-1a (64 bits, 16 hex digits) over the sorted lines `id:epoch:state`. Agents put it in their heartbeats over the executions that
 * they hold and that have not ended; the scheduler compares it with its own. No secret: equality saves a sync, inequality costs one.
 */
export function heldDigest(executions: Iterable<HeldExecution>): string {
  const lines = Array.from(executions, ({ id, epoch, state }) => `${id}:${epoch}:${state}\n`).sort();
  let high = OFFSET_HIGH;
  let low = OFFSET_LOW;
  for (const line of lines) {
    for (let i = 0; i < line.length; i++) {
      low = (low ^ line.charCodeAt(i)) >>> 0;
      // hash * (2^40 + 0x1b3), in two halves of 32 bits: the product of a half stays below 2^53.
      const product = low * PRIME_LOW;
      high = (high * PRIME_LOW + Math.floor(product / 2 ** 32) + ((low << 8) >>> 0)) % 2 ** 32;
      low = product >>> 0;
    }
  }
  return hex(high) + hex(low);
}

const OFFSET_HIGH = 0xcbf29ce4;
const OFFSET_LOW = 0x84222325;
const PRIME_LOW = 0x1b3;

function hex(half: number): string {
  return half.toString(16).padStart(8, "0");
}
