import { create } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import type { JobId, Task } from "@skrei/domain";
import { JobTaskSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { JobTask as PbJobTask } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { taskFromProto, taskToProto } from "./task.ts";

/** A spec that asks or assignments refer to. */
export interface JobTask {
  readonly jobId: JobId;
  readonly jobVersion: number;
  readonly jobName: string;
  readonly partitionCount: number;
  readonly task: Task;
}

/** The specs of one message, each once; asks and assignments point at them by index. */
export interface TaskTable {
  /** The index of this job version, added when it is new. */
  indexOf(job: JobTask): number;
  readonly tasks: readonly PbJobTask[];
}

export function createTaskTable(): TaskTable {
  const tasks: PbJobTask[] = [];
  const indexes = new Map<string, number>();
  return {
    tasks,
    indexOf(job) {
      const key = `${job.jobId}/${job.jobVersion}`;
      const known = indexes.get(key);
      if (known !== undefined) return known;
      indexes.set(key, tasks.length);
      return tasks.push(jobTaskToProto(job)) - 1;
    },
  };
}

/**
 * Reads each spec of a message once, so that its asks or assignments share one object.
 * @throws DomainError invalid/FIELD_INVALID for an index outside the table; what `taskFromProto` throws.
 */
export function createTaskReader(tasks: readonly PbJobTask[]): (taskIndex: number) => JobTask {
  const read = new Map<number, JobTask>();
  return (taskIndex) => {
    const known = read.get(taskIndex);
    if (known !== undefined) return known;
    const pb = tasks[taskIndex];
    if (pb === undefined) throw indexInvalid(taskIndex, tasks.length);
    const job = jobTaskFromProto(pb, taskIndex);
    read.set(taskIndex, job);
    return job;
  };
}

function jobTaskToProto({ task, ...rest }: JobTask): PbJobTask {
  return create(JobTaskSchema, { ...rest, task: taskToProto(task) });
}

function jobTaskFromProto(pb: PbJobTask, taskIndex: number): JobTask {
  if (pb.task === undefined) {
    throw new DomainError("invalid", "FIELD_REQUIRED", `tasks[${taskIndex}] of job ${pb.jobId} has no task.`);
  }
  return {
    jobId: pb.jobId as JobId,
    jobVersion: pb.jobVersion,
    jobName: pb.jobName,
    partitionCount: pb.partitionCount,
    task: taskFromProto(pb.task),
  };
}

function indexInvalid(taskIndex: number, count: number): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `task_index ${taskIndex} points outside the message's ${count} tasks.`);
}
