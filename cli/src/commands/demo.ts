import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCluster } from "../client/cluster.ts";
import { defineCommand } from "../command.ts";
import { spawnCluster } from "../dev/spawn-cluster.ts";
import { say } from "../output/terminal.ts";
import { formatDuration } from "../parse/parse-duration.ts";
import { findExample } from "../run/find-example.ts";
import { runJob } from "../run/run-job.ts";
import type { FollowFlags } from "../run/run-job.ts";
import type { Session } from "../session.ts";
import { loadJobFile } from "./run.ts";

const NODES = 3;

export const demo = defineCommand({
  path: "demo",
  summary: "Show it all: a cluster, a job in 3 parts, verified results.",
  args: [],
  flags: {},
  examples: ["skrei demo"],
  exitCodes: { 1: "the job failed, or its results do not match their content ids" },
  run: ({ session }) => runDemo(session),
});

async function runDemo(outer: Session): Promise<void> {
  const { terminal, signal } = outer;
  await using stack = new AsyncDisposableStack();
  await say(terminal, `starting ${NODES} nodes on this machine …`);
  const cluster = stack.use(
    await spawnCluster(
      { nodes: NODES, port: undefined, dataFolder: undefined, logLevel: undefined, dockerHost: terminal.env["DOCKER_HOST"] },
      signal,
    ),
  );
  await say(
    terminal,
    `ready in ${formatDuration(cluster.ready.readyMs)} at ${cluster.ready.server}; examples/wordcount counts the words of 12 files in 3 parts`,
    "",
  );
  const results = await mkdtemp(join(tmpdir(), "skrei-demo-"));
  stack.defer(() => rm(results, { recursive: true, force: true }));
  const settings = { ...outer.settings, server: cluster.ready.server, token: undefined, origin: "the demo's own cluster" };
  const session: Session = { ...outer, settings, cluster: createCluster(settings, (line) => void say(terminal, line)) };
  const file = findExample("wordcount");
  const { draft, folder } = await loadJobFile(session, file);
  await runJob({ session, draft, folder, flags: followFlags(results), namesNextCommands: false });
  await say(terminal, "", "That was all; the cluster stops and leaves nothing. To stay:  skrei dev");
}

function followFlags(results: string): FollowFlags {
  const off = {
    detach: false,
    quiet: false,
    "id-only": false,
    follow: false,
    raw: false,
    force: false,
    overwrite: false,
    "exit-code": false,
    "stop-on-interrupt": false,
    "dry-run": false,
  };
  return { ...off, get: results, download: undefined, "wait-timeout": undefined, "request-id": undefined };
}
