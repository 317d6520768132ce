/**
 * The way back of a table from domain words to proto numbers. Numbers that the table does not have (0, or those of a newer
 * peer) give undefined.
 */
export function reverse<Word extends string>(table: Readonly<Record<Word, number>>): ReadonlyMap<number, Word> {
  return new Map(Object.entries<number>(table).map(([word, number]) => [number, word as Word]));
}
