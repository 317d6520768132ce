/**
 * 106 bits over a value's JSON with sorted keys, as 28 hex digits: tells two requests apart that came with one request id.
 * The id is the caller's own secret, so nothing is gained by a collision. After cyrb53 (bryc, public domain), with two seeds.
 */
export function fingerprintOf(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => (isRecord(part) ? sortKeys(part) : part));
  return hash53(text, 0x5eed) + hash53(text, 0x0dd5);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function sortKeys(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function hash53(text: string, seed: number): string {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 2_654_435_761);
    low = Math.imul(low ^ unit, 1_597_334_677);
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return (2 ** 32 * (2_097_151 & low) + (high >>> 0)).toString(16).padStart(14, "0");
}
