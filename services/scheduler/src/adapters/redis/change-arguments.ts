import { isExecutionEnded, isJobEnded, type Job } from "@skrei/domain";
import type { StateChange } from "../../ports.ts";
import { changeDigest } from "../change-digest.ts";
import { paddedMs } from "../keys.ts";

/** The ARGV of `commit.lua`, in the order that its header gives. */
export function changeArguments(change: StateChange, { number, nowMs }: { readonly number: number; readonly nowMs: number }): string[] {
  const { jobs, executions, nodes, requests, events, removedJobIds, removedNodeIds } = change;
  const lists = [jobs, executions, nodes, requests, events, removedJobIds, removedNodeIds];
  const parts = [
    ...lists.map((list) => String(list.length)),
    ...jobs.flatMap((job) => [job.id, JSON.stringify(job), job.state, job.spec.namespace, job.spec.name, endOf(job)]),
    ...executions.flatMap((execution) => [
      execution.id,
      execution.jobId,
      isExecutionEnded(execution.state) ? "0" : "1",
      JSON.stringify(execution),
    ]),
    ...nodes.flatMap((node) => [node.id, JSON.stringify(node)]),
    ...requests.flatMap((request) => [request.requestId, String(request.expiresAtMs), JSON.stringify(request)]),
    ...events.flatMap((event) => [event.jobId ?? "", JSON.stringify(event)]),
    ...removedJobIds,
    ...removedNodeIds,
  ];
  const firstSequence = events[0]?.sequence ?? 0;
  return [String(change.term), String(number), changeDigest(parts), String(firstSequence), String(nowMs), ...parts];
}

function endOf(job: Job): string {
  return isJobEnded(job.state) && job.endedAtMs !== undefined ? paddedMs(job.endedAtMs) : "";
}
