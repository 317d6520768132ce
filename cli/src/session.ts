import type { Cluster } from "./client/cluster.ts";
import type { ServerSettings } from "./client/settings.ts";
import type { Terminal } from "./output/terminal.ts";

/** What a running command may use. */
export interface Session {
  readonly terminal: Terminal;
  readonly settings: ServerSettings;
  /** Clients of the cluster's API; nothing is sent before the first call. */
  readonly cluster: Cluster;
  /** Aborts at the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}
