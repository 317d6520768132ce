/** `1 job`, `2 jobs`. */
export function countOf(count: number | bigint, noun: string): string {
  return `${count} ${noun}${Number(count) === 1 ? "" : "s"}`;
}

export function filesOf(count: number): string {
  return countOf(count, "file");
}

export function nodesOf(count: number): string {
  return countOf(count, "node");
}
