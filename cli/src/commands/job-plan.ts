import type { PlanJobResponse_NodePlan } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { PlanJobResponseSchema } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { defineCommand } from "../command.ts";
import { formatOf, OUTPUT_FLAGS, printRecord } from "../output/format.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import { answer, say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { FILE_FLAG } from "../run/job-flags.ts";
import { readNodeNames } from "../run/node-names.ts";
import { planDraft } from "../run/plan-draft.ts";
import { fileArgument, loadJobFile } from "./run.ts";
import { EXIT, ExitError } from "../exit-code.ts";
import { partsOf } from "../run/job-words.ts";

/** For one partition. */
const TO_FETCH: Column<PlanJobResponse_NodePlan> = {
  header: "TO FETCH",
  value: ({ missingBytes }) => (missingBytes === undefined ? "-" : formatBytes(Number(missingBytes))),
  isRight: true,
};

const columns = (nodeNames: ReadonlyMap<string, string>, hasInputs: boolean): readonly Column<PlanJobResponse_NodePlan>[] => [
  { header: "NODE", value: ({ nodeId }) => nodeNames.get(nodeId) ?? "-" },
  { header: "NODE ID", value: ({ nodeId }) => nodeId },
  { header: "PARTS NOW", value: ({ partitions }) => String(partitions), isRight: true },
  { header: "LATER", value: ({ fitsWhenIdle }) => (fitsWhenIdle ? "yes" : "no") },
  ...(hasInputs ? [TO_FETCH] : []),
  { header: "WHY", value: ({ reason, message }) => [reason, message].filter((part) => part !== "").join(": ") },
];

export const jobPlan = defineCommand({
  path: "job plan",
  summary: "Say where a job file would run, and why not elsewhere; nothing is submitted.",
  args: [{ name: "file", summary: "YAML or JSON; stdin when left out", completes: "file" }],
  flags: { ...FILE_FLAG, ...OUTPUT_FLAGS },
  examples: ["skrei job plan job.yaml"],
  exitCodes: { 2: "the job has a mistake", 6: "no node can run it as the cluster stands" },
  run: async ({ args, flags, session }) => {
    const { draft, folder } = await loadJobFile(session, fileArgument(args, flags));
    const plan = await planDraft(session, draft, folder);
    if (
      await printRecord(session.terminal, PlanJobResponseSchema, {
        value: plan,
        name: String(plan.placeablePartitions),
        format: formatOf(flags),
      })
    )
      return;
    const hasInputs = (plan.spec?.task?.inputs.length ?? 0) > 0;
    await answer(
      session.terminal,
      ...renderTable({ rows: plan.nodes, columns: columns(await readNodeNames(session), hasInputs), output: session.terminal.stdout }),
    );
    await say(session.terminal, `${plan.placeablePartitions} of ${partsOf(plan.spec?.count ?? 1)} could start now`);
    if (plan.placeablePartitions === 0 && !plan.nodes.some(({ fitsWhenIdle }) => fitsWhenIdle)) throw new ExitError(EXIT.unplaceable);
  },
});
