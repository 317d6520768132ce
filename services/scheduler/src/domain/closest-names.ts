/** Something that can be referred to by its id or name. */
export interface Named {
  readonly id: string;
  readonly name: string;
}

/** The few candidates that someone who typed `reference` probably meant, best first. */
export function closestNames<Candidate extends Named>(
  reference: string,
  candidates: readonly Candidate[],
  countMax = 3,
): readonly Candidate[] {
  const wanted = reference.toLowerCase().slice(0, COMPARED_MAX);
  return candidates
    .map((candidate) => ({ candidate, distance: distanceTo(wanted, candidate) }))
    .filter(({ distance }) => distance <= Math.max(2, wanted.length / 3))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, countMax)
    .map(({ candidate }) => candidate);
}

/** `j-… name, j-… name`, for messages and metadata. */
export function describeNames(candidates: readonly Named[]): string {
  return candidates.map(({ id, name }) => (name === "" || name === id ? id : `${id} ${name}`)).join(", ");
}

function distanceTo(wanted: string, { id, name }: Named): number {
  if (name.toLowerCase().startsWith(wanted)) return 0;
  return Math.min(editDistance(wanted, id.slice(0, wanted.length)), editDistance(wanted, name.toLowerCase().slice(0, COMPARED_MAX)));
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const COMPARED_MAX = 64;
