/**
 * Gives the memory of a block back at once: an upload waits longer than the collector's young generation lives, and hundreds of MiB
 * would pile up. For bytes that nobody holds any more; whoever does finds them empty. Small ones are not worth it, and may be shared.
 */
export function releaseBytes({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= WORTH_BYTES && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

const WORTH_BYTES = 65_536;
