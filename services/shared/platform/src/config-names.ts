/** `heartbeatTimeoutMs` → `SKREI_SCHEDULER_HEARTBEAT_TIMEOUT_MS`. */
export function envName(service: string, key: string): string {
  return `${envPrefix(service)}${words(key).join("_").toUpperCase()}`;
}

/** `SKREI_SCHEDULER_`. */
export function envPrefix(service: string): string {
  return `SKREI_${service.replaceAll("-", "_").toUpperCase()}_`;
}

/** `heartbeatTimeoutMs` → `--heartbeat-timeout-ms`. */
export function flagName(key: string): string {
  return `--${words(key).join("-")}`;
}

/** `heartbeat-timeout-ms` or `HEARTBEAT_TIMEOUT_MS` → `heartbeatTimeoutMs`. */
export function keyOf(name: string): string {
  return name.toLowerCase().replace(/[-_]+([a-z0-9])/gu, (_, letter: string) => letter.toUpperCase());
}

/** `; did you mean heartbeatTimeoutMs?`, or nothing when no known word is close. */
export function suggestion(word: string, known: readonly string[], show: (key: string) => string): string {
  const [nearest] = known
    .map((key) => ({ key, distance: editDistance(word.toLowerCase(), key.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  if (nearest === undefined || nearest.distance > Math.max(2, word.length / 3)) return "";
  return `; did you mean ${show(nearest.key)}?`;
}

function words(key: string): string[] {
  return key.split(/(?=[A-Z])/u).map((word) => word.toLowerCase());
}

/** Levenshtein's, on one row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + (isSame ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
