import type { StandaloneConfig } from "./config.ts";
import type { DataFolder } from "./data-folder.ts";

/** What is printed on one line of stdout when the cluster serves. Stable: the CLI and tests read it. */
export interface ReadyRecord {
  readonly event: "ready";
  readonly server: string;
  readonly nodes: readonly string[];
  readonly engines: readonly { readonly name: string; readonly isAvailable: boolean; readonly version: string; readonly message: string }[];
  /** `memory`, or the folder that is kept. */
  readonly store: string;
  readonly data: DataSettings;
  readonly readyMs: number;
}

/** What the operator set for data that comes from, or goes to, elsewhere. */
interface DataSettings {
  /** "" is AWS. */
  readonly s3Endpoint: string;
  readonly s3Buckets: readonly string[];
  readonly hasS3Credentials: boolean;
  readonly allowedLocalPaths: readonly string[];
  readonly publishFolders: readonly string[];
  /** Gateways, then the daemon. */
  readonly ipfs: readonly string[];
}

interface NodeOfCluster {
  readonly node: { readonly name: string; readonly engines: ReadyRecord["engines"] };
}

export function describeReady(cluster: {
  readonly url: string;
  readonly nodes: readonly NodeOfCluster[];
  readonly folder: DataFolder;
  readonly config: StandaloneConfig;
  readonly readyMs: number;
}): ReadyRecord {
  const { url, nodes, folder, config, readyMs } = cluster;
  return {
    event: "ready",
    server: url,
    nodes: nodes.map(({ node }) => node.name).toSorted(),
    engines: nodes[0]?.node.engines ?? [],
    store: folder.isKept ? folder.path : "memory",
    data: describeData(config),
    readyMs: Math.round(readyMs),
  };
}

/** No secret is among them: the record is printed. */
function describeData(config: StandaloneConfig): DataSettings {
  const { s3Endpoint = "", s3Buckets, s3AccessKeyId, allowedLocalPaths, publishFolders, ipfsGateways, ipfsRpcUrl } = config;
  const ipfs = [...ipfsGateways, ...(ipfsRpcUrl === undefined ? [] : [ipfsRpcUrl])].map(withoutUser);
  const hasS3Credentials = s3AccessKeyId !== "";
  return { s3Endpoint: withoutUser(s3Endpoint), s3Buckets, hasS3Credentials, allowedLocalPaths, publishFolders, ipfs };
}

function withoutUser(text: string): string {
  return text.replace(/\/\/[^/@]*@/u, "//");
}
