import { Execution_State } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { StreamLogsResponse_Stream } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { toCallError } from "../client/call-error.ts";
import type { OutputWriter } from "../output/output-writer.ts";
import type { Session } from "../session.ts";
import { hasEnded, hasStarted } from "./job-words.ts";

export interface OutputWriters {
  readonly stdout: OutputWriter;
  readonly stderr: OutputWriter;
}

/** Streams that are open at a time; the parts beyond follow as others end. */
const LIVE_PARTS_MAX = 50;

export interface OutputPlan {
  readonly session: Session;
  readonly jobId: string;
  readonly count: number;
  /** Where a part's output goes; called once for each of its attempts. */
  writersOf(partition: number): OutputWriters;
  /** False for a pipe: there only the attempt that counts is written, so that its bytes are exactly the job's. */
  readonly isLive: boolean;
  readonly signal: AbortSignal;
  note(line: string): Promise<void>;
}

/** What the follower knows, and a way to wait for more. */
export interface ExecutionFeed {
  newest(): ReadonlyMap<number, Execution>;
  hasJobEnded(): boolean;
  changed(): Promise<void>;
}

/** Writes the output of all parts: live side by side, else each whole and in their order. Resolves when the last one is written. */
export async function printOutputs(plan: OutputPlan, feed: ExecutionFeed): Promise<void> {
  let next = 0;
  const printNext = async (): Promise<void> => {
    while (next < plan.count) await printPartition(plan, feed, next++);
  };
  await Promise.all(Array.from({ length: plan.isLive ? Math.min(plan.count, LIVE_PARTS_MAX) : 1 }, printNext));
}

async function printPartition(plan: OutputPlan, feed: ExecutionFeed, partition: number): Promise<void> {
  let printed: string | undefined;
  for (;;) {
    // Read before the execution: an end that comes in between is seen in the next round.
    const isLast = feed.hasJobEnded();
    const execution = feed.newest().get(partition);
    if (execution !== undefined && execution.executionId !== printed && hasStarted(execution)) {
      printed = execution.executionId;
      await printExecution(plan, feed, execution);
    } else if (isLast || plan.signal.aborted || isPrinted(execution, printed)) return;
    else await feed.changed();
  }
}

function isPrinted(execution: Execution | undefined, printed: string | undefined): boolean {
  return execution !== undefined && execution.executionId === printed && execution.state === Execution_State.COMPLETED;
}

async function printExecution(plan: OutputPlan, feed: ExecutionFeed, execution: Execution): Promise<void> {
  const writers = plan.writersOf(execution.partition);
  const held = await followOutput(plan, execution, writers);
  if (held.length > 0) await releaseIfCounted({ plan, feed, execution, held, writers });
}

/** Held stdout is written once its attempt is the partition's last; a newer attempt replaces it. */
async function releaseIfCounted({
  plan,
  feed,
  execution,
  held,
  writers,
}: {
  plan: OutputPlan;
  feed: ExecutionFeed;
  execution: Execution;
  held: readonly Uint8Array[];
  writers: OutputWriters;
}): Promise<void> {
  for (;;) {
    const newest = feed.newest().get(execution.partition);
    if (newest !== undefined && newest.executionId !== execution.executionId) return;
    if (newest?.state === Execution_State.COMPLETED || feed.hasJobEnded()) break;
    if (plan.signal.aborted) return;
    await feed.changed();
  }
  for (const piece of held) await writers.stdout.write(piece);
}

/** Follows one execution to the end of its output; gives back the stdout that was not written yet. */
async function followOutput(plan: OutputPlan, execution: Execution, { stdout, stderr }: OutputWriters): Promise<readonly Uint8Array[]> {
  const held: Uint8Array[] = [];
  const { executionId } = execution;
  try {
    const pieces = plan.session.cluster.jobs.streamLogs(
      { jobId: plan.jobId, executionId, follow: !hasEnded(execution) },
      { signal: plan.signal },
    );
    for await (const piece of pieces) {
      if (piece.stream === StreamLogsResponse_Stream.STDERR) await stderr.write(piece.data);
      else if (plan.isLive) await stdout.write(piece.data);
      else if (piece.data.length > 0) held.push(piece.data);
      if (piece.truncated) await plan.note(`note: part ${execution.partition} wrote more than is kept; the rest was dropped`);
      if (piece.end) break;
    }
  } catch (error) {
    const known = toCallError(error, plan.session.settings);
    if (plan.signal.aborted || known === undefined) throw error;
    await plan.note(`note: the output of part ${execution.partition} cannot be read: ${known.message} Try: skrei job logs ${plan.jobId}`);
  }
  await stdout.end();
  await stderr.end();
  return held;
}
