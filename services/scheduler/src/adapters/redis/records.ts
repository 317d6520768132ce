/** The records of a reply; what was absent is left out. */
export function parseRecords<T>(reply: unknown): T[] {
  if (!Array.isArray(reply)) throw new Error(`expected a list of records, got ${typeof reply}`);
  return reply.flatMap((text: unknown) => (typeof text === "string" ? [JSON.parse(text) as T] : []));
}

export function parseRecord<T>(reply: unknown): T | undefined {
  return typeof reply === "string" ? (JSON.parse(reply) as T) : undefined;
}
