import { createCluster } from "../client/cluster.ts";
import { readDevContext, writeDevContext } from "../client/dev-context.ts";
import { configFolder } from "../client/settings.ts";
import { say } from "../output/terminal.ts";
import type { ReadyRecord } from "./ready-record.ts";
import type { Session } from "../session.ts";

const ANSWER_TIMEOUT_MS = 2_000;
const DEFAULT_SERVER = "http://127.0.0.1:1234";

/** The context `dev` as one `skrei dev` has it. */
export interface DevClaim {
  /** False when it belongs to another cluster, which still answers. */
  readonly isOurs: boolean;
  /** Says to other terminals that the cluster is gone, unless another one has taken the context since. */
  release(): Promise<void>;
}

/** Makes other terminals find the cluster at `server`, unless they find one already that answers. Says what it leaves alone. */
export async function claimDevContext(
  session: Session,
  { server, store }: Pick<ReadyRecord, "server" | "store">,
  { isPortGiven }: { readonly isPortGiven: boolean },
): Promise<DevClaim> {
  const folder = configFolder(session.terminal.env);
  const known = await readDevContext(folder);
  const other = known === undefined || known.stoppedAtMs !== undefined || known.server === server ? undefined : known.server;
  const isTaken = other !== undefined && (await doesAnswer(session, other));
  if (!isPortGiven && server !== DEFAULT_SERVER)
    await say(session.terminal, `note: port 1234 is busy${await describeOwner(session)}; this cluster is at ${server}`);
  if (isTaken) {
    await say(
      session.terminal,
      `note: the context "dev" stays with the cluster at ${other}, which still answers; to use this one:`,
      `  skrei --server ${server} job list`,
    );
    return { isOurs: false, release: () => Promise.resolve() };
  }
  const context = { server, startedAtMs: Date.now(), pid: process.pid, ...(store !== "memory" && { dataFolder: store }) };
  await writeDevContext(folder, context);
  return {
    isOurs: true,
    async release() {
      const now = await readDevContext(folder);
      if (now?.server === server && now.startedAtMs === context.startedAtMs)
        await writeDevContext(folder, { ...context, stoppedAtMs: Date.now() });
    },
  };
}

async function describeOwner(session: Session): Promise<string> {
  return (await doesAnswer(session, DEFAULT_SERVER)) ? ": another Skrei cluster answers there" : "";
}

async function doesAnswer({ settings }: Session, server: string): Promise<boolean> {
  try {
    const { nodes } = createCluster({ ...settings, server }, () => undefined);
    await nodes.listNodes({ pageSize: 1 }, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    return true;
  } catch {
    // Nobody is there, or something that is no cluster.
    return false;
  }
}
