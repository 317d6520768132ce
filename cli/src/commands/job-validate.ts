import { toCallError } from "../client/call-error.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag } from "../flags.ts";
import type { JobDraft } from "../job-file/job-draft.ts";
import { nodesOf } from "../output/count-of.ts";
import { say } from "../output/terminal.ts";
import { checkDraft } from "../run/check-draft.ts";
import { FILE_FLAG } from "../run/job-flags.ts";
import { partsOf } from "../run/job-words.ts";
import { planDraft } from "../run/plan-draft.ts";
import type { Session } from "../session.ts";
import { fileArgument, loadJobFile } from "./run.ts";

export const jobValidate = defineCommand({
  path: "job validate",
  summary: "Check a job file: its form here, its placing with the cluster if one answers.",
  args: [{ name: "file", summary: "YAML or JSON; stdin when left out", completes: "file" }],
  flags: { ...FILE_FLAG, offline: booleanFlag("do not ask the cluster", { isCommon: true }) },
  examples: ["skrei job validate job.yaml"],
  exitCodes: { 2: "the job has a mistake" },
  run: async ({ args, flags, session }) => {
    const { draft, fileName, folder } = await loadJobFile(session, fileArgument(args, flags));
    await checkDraft(draft, folder);
    await say(session.terminal, `${fileName} is a valid job of ${partsOf(draft.spec.count ?? 1)}`);
    if (!flags.offline) await say(session.terminal, await describePlan(session, { draft, fileName, folder }));
  },
});

async function describePlan(
  session: Session,
  { draft, fileName, folder }: { readonly draft: JobDraft; readonly fileName: string; readonly folder: string },
): Promise<string> {
  try {
    const { nodes } = await planDraft(session, draft, folder);
    const fits = nodes.filter(({ partitions, fitsWhenIdle }) => partitions > 0 || fitsWhenIdle).length;
    return `${fits} of ${nodesOf(nodes.length)} fit${nodes.length === 1 && fits === 1 ? "s" : ""}${fits < nodes.length ? `; why not all: skrei job plan ${fileName}` : ""}`;
  } catch (error) {
    const kind = toCallError(error, session.settings)?.kind;
    if (kind !== "unavailable" && kind !== "timeout") throw error;
    return `no cluster answers at ${session.settings.server}; whether nodes fit was not checked`;
  }
}
