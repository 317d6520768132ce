import { createCluster } from "../client/cluster.ts";
import { clientVersion } from "../commands/version.ts";
import { EXIT, ExitError } from "../exit-code.ts";
import { answer, say } from "../output/terminal.ts";
import type { Terminal } from "../output/terminal.ts";
import { formatDuration } from "../parse/parse-duration.ts";
import type { Session } from "../session.ts";
import { countOf, nodesOf } from "../output/count-of.ts";
import { describeData } from "./data-line.ts";
import { claimDevContext } from "./dev-claim.ts";
import type { DevClaim } from "./dev-claim.ts";
import { tellPolicyChanges } from "./policy-lines.ts";
import type { ReadyRecord } from "./ready-record.ts";
import { spawnCluster } from "./spawn-cluster.ts";
import type { ClusterOptions } from "./spawn-cluster.ts";

export interface DevOptions extends ClusterOptions {
  readonly printsJson: boolean;
}

/** Runs the embedded cluster until Ctrl-C. */
export async function runDevCluster(session: Session, options: DevOptions): Promise<void> {
  const { terminal, signal } = session;
  await using cluster = await spawnCluster({ ...options, onLogLine: logFilter(terminal, options) }, signal);
  const claim = await claimDevContext(session, cluster.ready, { isPortGiven: options.port !== undefined });
  await answer(terminal, ...(options.printsJson ? [cluster.readyLine] : banner(cluster.ready, claim, options)));
  await using stack = new AsyncDisposableStack();
  if (options.networkPolicyFile !== undefined) stack.use(tellingPolicyChanges(session, cluster.ready.server));
  const interrupted = new Promise<"interrupted">((resolve) => {
    if (signal.aborted) resolve("interrupted");
    signal.addEventListener(
      "abort",
      () => {
        resolve("interrupted");
      },
      { once: true },
    );
  });
  const end = await Promise.race([interrupted, cluster.ended]);
  if (end === "interrupted")
    await say(terminal, "", `stopping ${nodesOf(cluster.ready.nodes.length)} … ${await describeJobs(session, cluster.ready)}`);
  const code = await cluster.stop();
  await claim.release();
  if (end !== "interrupted" || code !== EXIT.done) throw new ExitError(code === EXIT.done ? EXIT.bug : code);
}

/** One line for each change is said here; the log would have three for each node. Whoever names a log level gets the log. */
function logFilter(terminal: Terminal, { logLevel, networkPolicyFile }: DevOptions): ((line: string) => void) | undefined {
  if (logLevel !== undefined || networkPolicyFile === undefined) return undefined;
  return (line) => {
    if (!line.includes('"event":"policy.rejected"')) void say(terminal, line);
  };
}

function tellingPolicyChanges({ settings, terminal }: Session, server: string): AsyncDisposable {
  const left = new AbortController();
  const telling = tellPolicyChanges(
    terminal,
    createCluster({ ...settings, server }, () => undefined),
    left.signal,
  );
  return {
    [Symbol.asyncDispose]: async () => {
      left.abort();
      await telling;
    },
  };
}

const COUNT_TIMEOUT_MS = 2_000;
const COUNTED_MAX = 1_000;

/** What becomes of the jobs that have not ended. */
async function describeJobs({ settings }: Session, { server, store, nodes }: ReadyRecord): Promise<string> {
  const isKept = store !== "memory";
  const them = nodes.length === 1 ? "it" : "them";
  try {
    const { jobs: clusterJobs } = createCluster({ ...settings, server }, () => undefined);
    const filter = "state:pending|queued|running";
    const { jobs: found, nextPageToken } = await clusterJobs.listJobs(
      { filter, pageSize: COUNTED_MAX },
      { signal: AbortSignal.timeout(COUNT_TIMEOUT_MS) },
    );
    const count = nextPageToken === "" ? countOf(found.length, "job") : `more than ${found.length} jobs`;
    const isOne = found.length === 1;
    if (found.length === 0) return isKept ? "no job is under way" : `results end with ${them}`;
    if (!isKept) return `${count} ${isOne ? "ends" : "end"} with ${them}`;
    return `${count} ${isOne ? "goes" : "go"} on with the next skrei dev --data ${store}; containers run meanwhile`;
  } catch {
    // It stops anyway; what it cannot count it does not name.
    return isKept ? "" : `jobs and results end with ${them}`;
  }
}

export const DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock";

function banner(ready: ReadyRecord, { isOurs }: DevClaim, { networkPolicyFile, dockerHost }: DevOptions): readonly string[] {
  const engines = ready.engines.map(({ name, isAvailable, version, message }) =>
    isAvailable ? `${name} ✓${version === "" ? "" : ` ${version}`}` : `${name} – ${message}`,
  );
  const hasDocker = ready.engines.some(({ name, isAvailable }) => name === "docker" && isAvailable);
  const socket = dockerHost === undefined || dockerHost === "" ? DEFAULT_DOCKER_HOST : dockerHost;
  const data = describeData(ready.data);
  const examples = "skrei run --example wordcount";
  return [
    `skrei ${clientVersion()}  dev cluster on this machine only`,
    "",
    `  nodes      ${ready.nodes.length}, in one process`,
    `  executors  ${engines.join("   ")}`,
    ...(hasDocker ? [] : [`             tried ${socket}; for another: skrei dev --docker-host URL, or DOCKER_HOST`]),
    `  store      ${ready.store === "memory" ? "memory, gone on exit; to keep it: skrei dev --data ./.skrei" : ready.store}`,
    ...(data === "" ? [] : [`  data       ${data}`]),
    `  network    ${networkPolicyFile === undefined ? "nothing allowed; --network-policy FILE" : `as ${networkPolicyFile} says; a change of it counts within a second`}`,
    `  api        ${ready.server}   gRPC, Connect, JSON`,
    isOurs ? "  context    dev  written; other terminals find it" : `  context    none; other terminals need --server ${ready.server}`,
    "",
    `Ready in ${formatDuration(ready.readyMs)}. In another terminal:   ${examples}${isOurs ? "" : ` --server ${ready.server}`}`,
    "Ctrl-C stops it.",
  ];
}
