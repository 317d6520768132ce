import { writeDevContext } from "../client/dev-context.ts";
import { configFolder } from "../client/settings.ts";
import { clientVersion } from "../commands/version.ts";
import { EXIT, ExitError } from "../exit-code.ts";
import { answer, say } from "../output/terminal.ts";
import { formatDuration } from "../parse/parse-duration.ts";
import type { Session } from "../session.ts";
import type { ReadyRecord } from "./ready-record.ts";
import { spawnCluster } from "./spawn-cluster.ts";
import type { ClusterOptions } from "./spawn-cluster.ts";

export interface DevOptions extends ClusterOptions {
  readonly printsJson: boolean;
}

/** Runs the embedded cluster until Ctrl-C. */
export async function runDevCluster(session: Session, options: DevOptions): Promise<void> {
  const { terminal, signal } = session;
  await using cluster = await spawnCluster(options, signal);
  const folder = configFolder(terminal.env);
  const context = { server: cluster.ready.server, startedAtMs: Date.now() };
  await writeDevContext(folder, context);
  await answer(terminal, ...(options.printsJson ? [cluster.readyLine] : banner(cluster.ready)));
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
    await say(
      terminal,
      "",
      `stopping ${cluster.ready.nodes.length} nodes …${cluster.ready.store === "memory" ? " jobs and results end with them" : ""}`,
    );
  const code = await cluster.stop();
  await writeDevContext(folder, { ...context, stoppedAtMs: Date.now() });
  if (end !== "interrupted" || code !== EXIT.done) throw new ExitError(code === EXIT.done ? EXIT.bug : code);
}

function banner(ready: ReadyRecord): readonly string[] {
  const engines = ready.engines.map(({ name, isAvailable, version, message }) =>
    isAvailable ? `${name} ✓${version === "" ? "" : ` ${version}`}` : `${name} – ${message}`,
  );
  const examples = "skrei run --example wordcount";
  return [
    `skrei ${clientVersion()}  dev cluster on this machine only`,
    "",
    `  nodes      ${ready.nodes.length}, in one process`,
    `  executors  ${engines.join("   ")}`,
    `  store      ${ready.store === "memory" ? "memory, gone on exit; to keep it: skrei dev --data ./.skrei" : ready.store}`,
    `  api        ${ready.server}   gRPC, Connect, JSON`,
    "  context    dev  written; other terminals find it",
    "",
    `Ready in ${formatDuration(ready.readyMs)}. In another terminal:   ${examples}`,
    "Ctrl-C stops it.",
  ];
}
