import { Transfer_Kind } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Job, Waiting } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { nodesOf } from "../output/count-of.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { describeReasons } from "./advise-waiting.ts";
import { elapsed, executionStateOf, hasEnded, isEnded, jobStateOf, partsOf } from "./job-words.ts";
import { summarizeTransfers } from "./transfer-words.ts";

/** With more parts than this, parts are counted and not named. */
const NAMED_PARTS_MAX = 20;

interface ProgressSnapshot {
  readonly job: Job;
  readonly executions: readonly Execution[];
  readonly nodeNames: ReadonlyMap<string, string>;
  readonly nowMs: number;
}

/** Turns what changed into lines, each said once. */
export interface ProgressLines {
  update(snapshot: ProgressSnapshot): readonly string[];
  /** One line about now, for a terminal. */
  summary(snapshot: ProgressSnapshot): string;
}

export function createProgressLines(): ProgressLines {
  const said = new Set<string>();
  let waitingSeen = "";
  const once = (key: string, line: string): readonly string[] => {
    if (said.has(key)) return [];
    said.add(key);
    return [line];
  };
  /** Each wait once for its reason, each way to go once. */
  const sayTransfer = (execution: Execution, nodeNames: ReadonlyMap<string, string>): readonly string[] => {
    const { executionId, transfer } = execution;
    if (transfer === undefined || hasEnded(execution)) return [];
    const { kind, reason, bytesTotal, message } = transfer;
    const who = `${partName(execution)} ${nodeNames.get(execution.nodeId) ?? execution.nodeId}`;
    const what = kind === Transfer_Kind.RESULT ? "publishing" : "fetching inputs";
    if (reason !== "") return once(`${executionId} waits ${kind} ${reason}`, `  ! ${who}  ${what} waits: ${message} (${reason})`);
    const size = bytesTotal > 0n ? `, ${formatBytes(Number(bytesTotal))}` : "";
    return once(`${executionId} moves ${kind}`, `  · ${who}  ${what}${size}`);
  };
  const sayParts = (snapshot: ProgressSnapshot): readonly string[] =>
    snapshot.executions.flatMap((execution) => {
      const { nodeNames } = snapshot;
      const line = executionLine(execution, snapshot);
      return [...sayTransfer(execution, nodeNames), ...(line === undefined ? [] : once(`${execution.executionId} ${line.key}`, line.text))];
    });
  const sayTenths = ({ job }: ProgressSnapshot, count: number): readonly string[] => {
    const completed = job.partitions?.completed ?? 0;
    return completed === 0 ? [] : once(`tenth ${Math.floor((completed * 10) / count)}`, `  ✓ ${completed} of ${partsOf(count)} done`);
  };
  const sayWaiting = ({ job }: ProgressSnapshot): readonly string[] => {
    const waiting = job.waiting === undefined || jobStateOf(job) === "pending" ? "" : describeWaiting(job.waiting);
    // Said at the second sight: what is placed within one look never waited.
    const lines = waiting !== "" && waiting === waitingSeen ? once(waiting, waiting) : [];
    waitingSeen = waiting;
    return lines;
  };
  return {
    update(snapshot) {
      const count = snapshot.job.spec?.count ?? 1;
      const planned = jobStateOf(snapshot.job) === "pending" ? [] : once("planned", `  ✓ planned   ${partsOf(count)}`);
      const parts = count <= NAMED_PARTS_MAX ? sayParts(snapshot) : sayTenths(snapshot, count);
      return [...planned, ...parts, ...sayWaiting(snapshot)];
    },
    summary({ job, executions, nowMs }) {
      const { waiting = 0, running = 0, completed = 0, failed = 0 } = job.partitions ?? {};
      const parts = [
        `${completed} done`,
        `${running} running`,
        ...(waiting > 0 ? [`${waiting} waiting`] : []),
        ...(failed > 0 ? [`${failed} failed`] : []),
        ...summarizeTransfers(executions),
      ];
      return `  ${parts.join(" · ")} · ${elapsed(job.createTime, job.endTime, nowMs)}`;
    },
  };
}

/** `waiting: 0 of 6 nodes free: 4 lack cpu (need 8, most free 5), 1 draining`. */
export function describeWaiting(waiting: Waiting): string {
  const reasons = describeReasons(waiting);
  return `waiting: ${partsOf(waiting.partitions)}, ${nodesOf(waiting.nodes)} looked at${reasons === "" ? "" : `: ${reasons}`}`;
}

function executionLine(execution: Execution, { job, nodeNames, nowMs }: ProgressSnapshot): { key: string; text: string } | undefined {
  const name = partName(execution);
  const node = nodeNames.get(execution.nodeId) ?? execution.nodeId;
  const took = elapsed(execution.startTime, execution.endTime, nowMs);
  const why = (execution.failure?.message ?? executionStateOf(execution)).replace(/\.$/u, "");
  const attempt = execution.attempt > 1 ? ` (attempt ${execution.attempt})` : "";
  switch (executionStateOf(execution)) {
    case "running":
      return { key: "running", text: `  · ${name} runs on ${node}${attempt}` };
    case "completed":
      return { key: "ended", text: `  ✓ ${name} ${node}  stored  ${took}${attempt}` };
    case "failed":
      return { key: "ended", text: `  ✗ ${name} ${node}  ${execution.failure?.message ?? "failed"}${attempt}` };
    case "rejected":
    case "lost":
      return {
        key: "ended",
        text: `  ! ${name} ${node}  ${why}${isEnded(job) ? "" : "; it is tried again"}`,
      };
    case "assigned":
    case "preparing":
    case "proposing":
    case "publishing":
    case "cancelled":
    case "discarded":
    case "unknown":
      return undefined;
  }
}

function partName({ partition }: Execution): string {
  return `part ${partition}`.padEnd(9);
}
