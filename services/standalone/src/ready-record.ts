import type { DataFolder } from "./data-folder.ts";

/** What is printed on one line of stdout when the cluster serves. Stable: the CLI and tests read it. */
export interface ReadyRecord {
  readonly event: "ready";
  readonly server: string;
  readonly nodes: readonly string[];
  readonly engines: readonly { readonly name: string; readonly isAvailable: boolean; readonly version: string; readonly message: string }[];
  /** `memory`, or the folder that is kept. */
  readonly store: string;
  readonly readyMs: number;
}

interface NodeOfCluster {
  readonly node: { readonly name: string; readonly engines: ReadyRecord["engines"] };
}

export function describeReady(cluster: {
  readonly url: string;
  readonly nodes: readonly NodeOfCluster[];
  readonly folder: DataFolder;
  readonly readyMs: number;
}): ReadyRecord {
  const { url, nodes, folder, readyMs } = cluster;
  return {
    event: "ready",
    server: url,
    nodes: nodes.map(({ node }) => node.name).toSorted(),
    engines: nodes[0]?.node.engines ?? [],
    store: folder.isKept ? folder.path : "memory",
    readyMs: Math.round(readyMs),
  };
}
