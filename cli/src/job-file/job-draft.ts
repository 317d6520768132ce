import type { MessageInitShape } from "@bufbuild/protobuf";
import type { InputPartition, LocalSource, S3Source } from "@skrei/domain";
import type { JobSpecSchema, NetworkSchema, Publisher as PbPublisher, TaskSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { JobFileReport } from "./problems.ts";

export type JobSpecInit = MessageInitShape<typeof JobSpecSchema>;
export type NetworkInit = Exclude<MessageInitShape<typeof NetworkSchema>, { readonly $typeName: string }>;
export type TaskInit = Omit<Exclude<MessageInitShape<typeof TaskSchema>, { readonly $typeName: string }>, "network" | "publisher"> & {
  network?: NetworkInit;
  publisher?: PbPublisher;
};
export type InputInit = Extract<NonNullable<TaskInit["inputs"]>[number], unknown>;
export type EngineInit = NonNullable<TaskInit["engine"]>;

/** An input as it was written. `upload` names a file or folder of this machine that becomes content of the cluster first. */
export interface InputDraft {
  readonly alias: string;
  readonly target: string;
  readonly source: SourceDraft;
  readonly partition?: InputPartition;
}

export type SourceDraft =
  | { readonly type: "upload"; readonly path: string }
  | { readonly type: "inline"; readonly data: Uint8Array<ArrayBuffer> }
  /** `path` is below the content id; empty for all of it. */
  | { readonly type: "content"; readonly cid: string; readonly path: string }
  /** What an ended job produced; the server looks it up. */
  | { readonly type: "job"; readonly job: string; readonly output: string; readonly partition: number | undefined }
  | LocalSource
  | S3Source
  | { readonly type: "http"; readonly url: string; readonly sha256: string };

/** A job before its uploads: the spec without inputs, and the inputs. */
export interface JobDraft {
  readonly spec: Omit<Exclude<JobSpecInit, { readonly $typeName: string }>, "task"> & { readonly task: TaskInit };
  readonly inputs: readonly InputDraft[];
  /** Where each field came from; undefined for a job made from flags. */
  readonly report: JobFileReport | undefined;
}
