import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { getJob } from "../client/get-job.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import type { Output } from "../output/terminal.ts";
import { describeReasons } from "../run/advise-waiting.ts";
import type { Session } from "../session.ts";
import { describeNetwork } from "./network-words.ts";

const JOBS_MAX = 100;

/** Jobs that ask for a network and wait for a node: one job if it does, or all. */
export async function listWaitingJobs(session: Session, jobId: string): Promise<readonly Job[]> {
  const { jobs } = session.cluster;
  const found =
    jobId === ""
      ? (await jobs.listJobs({ filter: "state:pending|queued|running", pageSize: JOBS_MAX })).jobs
      : [await getJob(session, jobId)];
  return found.filter(({ waiting, spec }) => waiting !== undefined && hasNetwork(spec?.task?.network?.mode));
}

function hasNetwork(mode: Network_Mode | undefined): boolean {
  return mode !== undefined && mode !== Network_Mode.UNSPECIFIED && mode !== Network_Mode.NONE;
}

/** What each of them asks for, and why it waits. */
export function renderWaiting(jobs: readonly Job[], output: Output): readonly string[] {
  return renderTable({ rows: jobs, columns: COLUMNS, output });
}

const COLUMNS: readonly Column<Job>[] = [
  { header: "WAITING", value: ({ jobId, spec }) => spec?.name || jobId },
  { header: "NETWORK", value: ({ spec }) => describeNetwork(spec?.task?.network, spec?.task?.engine.case) },
  { header: "WHY", value: ({ waiting }) => (waiting === undefined ? "" : describeReasons(waiting)) },
];
