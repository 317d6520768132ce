import type { Job, Waiting } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { Publisher_Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { readDevCluster } from "../client/dev-cluster.ts";
import type { Session } from "../session.ts";

/** Why a job waits, as a code, and what makes it start. */
export interface WaitingAdvice {
  readonly code: string;
  /** Empty when time alone helps. */
  readonly fix: string;
}

/** Of a job that waits; who runs `skrei dev` is the operator as well, and is told how to allow it. */
export async function adviseWaiting(
  { settings, terminal }: Pick<Session, "settings" | "terminal">,
  { waiting, spec }: Pick<Job, "waiting" | "spec">,
): Promise<WaitingAdvice> {
  const code = waiting?.reasons[0]?.reason ?? "UNPLACEABLE";
  if (waiting?.impossible !== true) return { code, fix: "" };
  if (code.startsWith("NETWORK_")) {
    const isDev = (await readDevCluster(settings, terminal.env)) !== undefined;
    const where = isDev ? "in the file of skrei dev --network-policy FILE" : "in the policy of a node, which its operator writes";
    return { code, fix: `allow it with ${policyKeys(spec)} ${where}; the job starts as soon as that counts` };
  }
  return { code, fix: adviceOnData(code, spec) ?? "ask for less, or add a node that fits and it starts" };
}

/** What the operator of a node has to set for data that comes from, or goes to, elsewhere. */
function adviceOnData(code: string, spec: Job["spec"]): string | undefined {
  if (code === "TARGET_NOT_OFFERED")
    return `its operator sets ${targetSettings(spec)} of a node's publisher, or leave the publisher out: the cluster's store has every result`;
  if (code === "SOURCE_NOT_ALLOWED") return `its operator allows it with ${sourceSettings(spec)} of a node's storage-fetcher`;
  if (code === "SOURCE_ACCESS_DENIED")
    return `its operator sets s3AccessKeyId and s3SecretAccessKey of a node's storage-fetcher so that they may read ${bucketsOf(spec)}`;
  if (code === "SOURCE_UNREACHABLE") return "correct the input, or put there what it names and it starts";
  return code === "SOURCE_TYPE_UNSUPPORTED" ? "upgrade a node, or use another kind of source" : undefined;
}

function targetSettings(spec: Job["spec"]): string {
  const { type, s3, local } = spec?.task?.publisher ?? {};
  if (s3 !== undefined) {
    const endpoint = s3.endpoint === "" ? "" : `s3Endpoint (${s3.endpoint}), `;
    return `${endpoint}s3AccessKeyId and s3SecretAccessKey, with ${s3.bucket} among s3Buckets,`;
  }
  if (local !== undefined) return `publishFolders (a folder above ${local.path})`;
  return type === Publisher_Type.IPFS ? "ipfsRpcUrl" : "what it needs";
}

function sourceSettings(spec: Job["spec"]): string {
  const sources = spec?.task?.inputs.map(({ source }) => source) ?? [];
  const paths = sources.flatMap((source) => (source.case === "local" ? [`${source.value.path}${source.value.writable ? ":rw" : ""}`] : []));
  const local = paths.length === 0 ? [] : [`allowedLocalPaths (${paths.slice(0, PATHS_NAMED).join(", ")}, or a folder above)`];
  const s3 = sources.some((source) => source.case === "s3") ? ["s3Endpoint and s3Buckets"] : [];
  const isRemote = sources.some((source) => source.case === "s3" || source.case === "http");
  return [...local, ...s3, ...(isRemote ? ["allowedPrivateCidrs"] : [])].join(" or ") || "its settings";
}

function bucketsOf(spec: Job["spec"]): string {
  const buckets = spec?.task?.inputs.flatMap(({ source }) => (source.case === "s3" ? [`s3://${source.value.bucket}`] : [])) ?? [];
  return [...new Set(buckets)].slice(0, PATHS_NAMED).join(" and ") || "it";
}

const PATHS_NAMED = 4;

/** What a policy has to say. */
function policyKeys(spec: Job["spec"]): string {
  const { domains = [] } = spec?.task?.network ?? {};
  if (domains.length === 0) return "`modes: [none, full]`";
  return `\`modes: [none, http]\` and \`domains: [${domains.slice(0, HOSTS_NAMED).join(", ")}]\``;
}

const HOSTS_NAMED = 8;

/** `3 × this node does not allow a.org; 1 × draining`. */
export function describeReasons({ reasons }: Waiting): string {
  return reasons
    .map(
      // What holds up the parts themselves is of no node.
      ({ nodes, message, reason }) =>
        `${nodes === 0 ? "" : `${nodes} × `}${(message === "" ? reason : message).replace(/\.$/u, "").replace(/^This /u, "this ")}`,
    )
    .join("; ");
}
