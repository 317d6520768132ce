import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { Task } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { msOrZero } from "@skrei/wire/time.ts";
import { defineCommand } from "../command.ts";
import { renderInputs } from "../data/input-table.ts";
import { renderOutputs } from "../data/output-table.ts";
import { describeNetwork } from "../network/network-words.ts";
import { renderUse } from "../network/render-use.ts";
import { formatOf, OUTPUT_FLAGS, printRecord } from "../output/format.ts";
import { cleanLine } from "../output/clean-text.ts";
import { renderFields } from "../output/fields.ts";
import { renderTable } from "../output/table.ts";
import { answer } from "../output/terminal.ts";
import type { Terminal } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { formatCpu } from "../parse/parse-cpu.ts";
import { engineOf, hasEnded, isEnded, jobStateOf, took } from "../run/job-words.ts";
import { readNodeNames } from "../run/node-names.ts";
import { listExecutions } from "../run/list-executions.ts";
import { describeWaiting } from "../run/progress-lines.ts";
import { describeTransfer } from "../run/transfer-words.ts";
import { adviseWaiting } from "../run/advise-waiting.ts";
import type { WaitingAdvice } from "../run/advise-waiting.ts";
import { executionColumns } from "./job-executions.ts";
import { jobArgument } from "./job-list.ts";
import { getJob } from "../client/get-job.ts";

const EXECUTIONS_SHOWN = 20;

export const jobDescribe = defineCommand({
  path: "job describe",
  aliases: ["show"],
  summary: "Show a job: what it is, how it goes and why.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: OUTPUT_FLAGS,
  examples: ["skrei job describe j-01ab", "skrei job describe my-job -o yaml"],
  exitCodes: { 3: "no such job, or several" },
  run: async ({ args, flags, session }) => {
    const { terminal } = session;
    const job = await getJob(session, jobArgument(args));
    if (await printRecord(terminal, JobSchema, { value: job, name: job.jobId, format: formatOf(flags) })) return;
    const executions = (await listExecutions(session, job.jobId, { limit: EXECUTIONS_SHOWN })).toSorted(byPart);
    await answer(terminal, ...describe(job, job.waiting === undefined ? undefined : await adviseWaiting(session, job)));
    if (executions.length > 0) {
      const nodeNames = await readNodeNames(session);
      const columns = executionColumns(Date.now(), nodeNames, executions).filter(({ isWide }) => isWide !== true);
      await answer(terminal, "", ...renderTable<Execution>({ rows: executions, columns, output: terminal.stdout }));
      await answer(terminal, ...renderTransfers(executions, nodeNames), ...renderUse(executions, terminal.stdout));
    }
    await answerBlock(terminal, renderInputs(job, executions, terminal.stdout));
    const outputs = await renderOutputs(session, job.jobId);
    await answerBlock(terminal, outputs);
    await answer(terminal, "", ...nextCommands(job, { hasResult: outputs.length > 0, hasOutput: executions.length > 0 }));
  },
});

/** The attempts of a part stay oldest first. */
function byPart(a: Execution, b: Execution): number {
  return a.partition - b.partition;
}

function nextCommands(job: Job, has: { readonly hasResult: boolean; readonly hasOutput: boolean }): readonly string[] {
  const { jobId } = job;
  const files = has.hasResult ? [`files  skrei job get ${jobId}`] : [];
  const story = `story  skrei job history ${jobId}`;
  if (!isEnded(job)) return [...files, `logs   skrei job logs ${jobId} --follow`, `stop   skrei job stop ${jobId}`, story];
  return [...files, ...(has.hasOutput ? [`logs   skrei job logs ${jobId}`] : []), story];
}

async function answerBlock(terminal: Terminal, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await answer(terminal, "", ...lines);
}

/** What is on its way, or why it is not. */
function renderTransfers(executions: readonly Execution[], nodeNames: ReadonlyMap<string, string>): readonly string[] {
  const nowMs = Date.now();
  return executions.flatMap((execution) => {
    const { transfer, partition, nodeId } = execution;
    if (transfer === undefined || hasEnded(execution)) return [];
    return [cleanLine(`part ${partition} on ${nodeNames.get(nodeId) ?? nodeId}: ${describeTransfer(transfer, nowMs)}`)];
  });
}

function describe(job: Job, waitingAdvice: WaitingAdvice | undefined): readonly string[] {
  return renderFields([
    ...describeState(job, waitingAdvice),
    ...describeTask(job.spec?.task),
    ["network", describeNetwork(job.spec?.task?.network, engineOf(job))],
    ...describeLabels(job),
    ["created", timeOf(job)],
    ["took", isEnded(job) ? took(job, Date.now()) : ""],
  ]);
}

type Field = readonly [key: string, value: string];

function describeState(job: Job, waitingAdvice: WaitingAdvice | undefined): readonly Field[] {
  return [
    ["id", job.jobId],
    ...describeNames(job),
    ["state", jobStateOf(job)],
    ...(job.failure === undefined
      ? []
      : ([
          ["failure", `${job.failure.message} (${job.failure.reason})`],
          ["fix", job.failure.hint],
        ] as const)),
    ["waiting", job.waiting === undefined ? "" : describeWaiting(job.waiting).replace(/^waiting: /u, "")],
    ["code", waitingAdvice?.code ?? ""],
    ["fix", waitingAdvice?.fix ?? ""],
    ["exit code", job.exitCode === undefined ? "" : String(job.exitCode)],
    ["parts", describeParts(job)],
    ["version", String(job.version)],
    ["engine", engineOf(job)],
  ];
}

function describeNames({ spec }: Job): readonly Field[] {
  return spec === undefined
    ? []
    : [
        ["name", spec.name],
        ["namespace", spec.namespace],
      ];
}

function describeParts({ partitions }: Job): string {
  const { waiting = 0, running = 0, completed = 0, failed = 0 } = partitions ?? {};
  return `${completed} completed, ${running} running, ${waiting} waiting, ${failed} failed`;
}

function describeTask(task: Task | undefined): readonly Field[] {
  if (task === undefined) return [];
  const { engine, resources } = task;
  const amounts =
    resources === undefined
      ? ""
      : `${formatCpu(Number(resources.cpuMillis))} cpu, ${formatBytes(Number(resources.memoryBytes))} memory, ${formatBytes(Number(resources.diskBytes))} disk`;
  if (engine.case === "docker")
    return [
      ["runs", [engine.value.image, ...engine.value.entrypoint, ...engine.value.parameters].join(" ")],
      ["resources", amounts],
    ];
  if (engine.case === "wasm")
    return [
      ["runs", [engine.value.entryModule, ...engine.value.parameters].join(" ")],
      ["resources", amounts],
    ];
  return [["resources", amounts]];
}

function describeLabels({ spec }: Job): readonly Field[] {
  return [
    [
      "labels",
      Object.entries(spec?.labels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    ],
  ];
}

function timeOf({ createTime }: Job): string {
  return createTime === undefined ? "" : new Date(msOrZero(createTime)).toISOString();
}
