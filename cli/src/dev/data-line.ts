import type { DataSettings } from "./ready-record.ts";

/** Where data of jobs may come from and go to beside the cluster's store, in one line; "" when nothing is set. */
export function describeData({ allowedLocalPaths, publishFolders, ipfs, ...s3 }: DataSettings): string {
  const parts = [
    describeS3(s3),
    allowedLocalPaths.length === 0 ? "" : `reads ${listed(allowedLocalPaths)}`,
    publishFolders.length === 0 ? "" : `publishes below ${listed(publishFolders)}`,
    ipfs.length === 0 ? "" : `IPFS ${listed(ipfs)}`,
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

function describeS3({
  s3Endpoint,
  s3Buckets,
  hasS3Credentials,
}: Pick<DataSettings, "s3Endpoint" | "s3Buckets" | "hasS3Credentials">): string {
  if (s3Endpoint === "" && !hasS3Credentials) return "";
  const buckets = s3Buckets.includes("*") ? "all buckets" : listed(s3Buckets);
  return `S3 ${s3Endpoint === "" ? "of AWS" : s3Endpoint} (${buckets}${hasS3Credentials ? "" : ", no credentials: only public objects"})`;
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return names.slice(0, NAMED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

const NAMED_MAX = 4;
