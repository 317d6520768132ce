/** What the embedded cluster prints on one line of stdout when it serves (services/standalone). */
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
export interface DataSettings {
  /** "" is AWS. */
  readonly s3Endpoint: string;
  readonly s3Buckets: readonly string[];
  readonly hasS3Credentials: boolean;
  readonly allowedLocalPaths: readonly string[];
  readonly publishFolders: readonly string[];
  /** Gateways, then the daemon. */
  readonly ipfs: readonly string[];
}

export function parseReadyRecord(line: string): ReadyRecord | undefined {
  try {
    const value = JSON.parse(line) as Partial<ReadyRecord>;
    return value.event === "ready" && typeof value.server === "string" ? (value as ReadyRecord) : undefined;
  } catch {
    // Not the record: anything else on the child's stdout is passed by.
    return undefined;
  }
}
