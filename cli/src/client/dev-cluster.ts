import { readDevContext } from "./dev-context.ts";
import { configFolder } from "./settings.ts";
import type { ServerSettings } from "./settings.ts";

/** The cluster of `skrei dev` on this machine, as far as the context tells that it is the one that is asked. */
export interface DevCluster {
  readonly hasEnded: boolean;
  /** Where its jobs outlive it; undefined when they end with it. */
  readonly dataFolder: string | undefined;
}

/** Undefined for any other cluster. */
export async function readDevCluster({ server }: ServerSettings, env: NodeJS.ProcessEnv): Promise<DevCluster | undefined> {
  const context = await readDevContext(configFolder(env));
  if (context?.server !== server) return undefined;
  const hasEnded = context.stoppedAtMs !== undefined || (context.pid !== undefined && !isAlive(context.pid));
  return { hasEnded, dataFolder: context.dataFolder };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
