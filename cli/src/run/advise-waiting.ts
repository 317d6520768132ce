import type { Job, Waiting } from "@skrei/proto/skrei/job/v1/job_pb.ts";
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
  if (!code.startsWith("NETWORK_")) return { code, fix: "ask for less, or add a node that fits and it starts" };
  const isDev = (await readDevCluster(settings, terminal.env)) !== undefined;
  const where = isDev ? "in the file of skrei dev --network-policy FILE" : "in the policy of a node, which its operator writes";
  return { code, fix: `allow it with ${policyKeys(spec)} ${where}; the job starts as soon as that counts` };
}

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
      ({ nodes, message, reason }) => `${nodes} × ${(message === "" ? reason : message).replace(/\.$/u, "").replace(/^This /u, "this ")}`,
    )
    .join("; ");
}
