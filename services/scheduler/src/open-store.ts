import type { SchedulerConfig } from "./config.ts";
import { createRedisStateStore } from "./adapters/redis-state-store.ts";
import { createSqliteStateStore } from "./adapters/sqlite-state-store.ts";
import type { Clock, StateStore } from "./ports.ts";

/** The store that `storeUrl` names; not started. */
export function openStore(
  { storeUrl, storePassword, cluster }: Pick<SchedulerConfig, "storeUrl" | "storePassword" | "cluster">,
  clock: Clock,
): StateStore {
  if (storeUrl.startsWith("sqlite:")) return createSqliteStateStore({ path: storeUrl.slice("sqlite:".length), clock });
  const password = storePassword === "" ? {} : { password: storePassword };
  return createRedisStateStore({ url: storeUrl, prefix: cluster, clock, ...password });
}
