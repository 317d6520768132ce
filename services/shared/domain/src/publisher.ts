export type ResultEncoding = "files" | "tar.gz" | "tar.zst" | "car";

/** Where a result goes beside the cluster's own content store. */
export type PublisherTarget =
  /** What the node's operator set; nowhere unless said otherwise. */
  | { readonly type: "default" }
  /** Nowhere. */
  | { readonly type: "cluster" }
  | S3Target
  /** The operator's IPFS node. */
  | { readonly type: "ipfs" }
  /** `path` is absolute, with placeholders. */
  | { readonly type: "local"; readonly path: string };

export interface S3Target {
  readonly type: "s3";
  readonly bucket: string;
  /** With placeholders such as `{jobID}`. */
  readonly key: string;
  /** Empty for the node's default. */
  readonly region: string;
  readonly endpoint: string;
  readonly encoding: ResultEncoding;
}

export type Publisher = PublisherTarget & {
  /** How long the cluster's store keeps the result after the job's end. Absent: as long as the job is listed. */
  readonly retentionMs?: number;
};

export type PublisherType = Publisher["type"];
