/** What one execution may use, or a node offers. */
export interface Resources {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

export const NO_RESOURCES: Resources = { cpuMillis: 0, memoryBytes: 0, diskBytes: 0 };

export function addResources(a: Resources, b: Resources): Resources {
  return { cpuMillis: a.cpuMillis + b.cpuMillis, memoryBytes: a.memoryBytes + b.memoryBytes, diskBytes: a.diskBytes + b.diskBytes };
}

export function subtractResources(a: Resources, b: Resources): Resources {
  return { cpuMillis: a.cpuMillis - b.cpuMillis, memoryBytes: a.memoryBytes - b.memoryBytes, diskBytes: a.diskBytes - b.diskBytes };
}

/** How many times `need` fits into `free`, bounded by `countMax`. */
export function timesFitting(need: Resources, free: Resources, countMax: number): number {
  return Math.max(
    0,
    Math.min(
      countMax,
      times(need.cpuMillis, free.cpuMillis),
      times(need.memoryBytes, free.memoryBytes),
      times(need.diskBytes, free.diskBytes),
    ),
  );
}

function times(need: number, free: number): number {
  return need <= 0 ? Number.POSITIVE_INFINITY : Math.floor(free / need);
}
