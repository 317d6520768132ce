import { create } from "@bufbuild/protobuf";
import { parseExecutionId } from "@skrei/domain";
import type { ExecutionId } from "@skrei/domain";
import { ListNetworkUseResponseSchema } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { ListNetworkUseRequest, ListNetworkUseResponse } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { NetworkedExecution } from "../ports.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findJob } from "./find-job.ts";
import { networkUseMessages } from "./network-use-message.ts";
import { NodeNames } from "./node-names.ts";
import { cursorOf, pageSizeOf, pageTokenFor } from "./page.ts";

/** Of one job from the store, ended executions included; of all that have not ended from the leader. */
export async function listNetworkUse(deps: SchedulerApiDeps, request: ListNetworkUseRequest): Promise<ListNetworkUseResponse> {
  const limit = pageSizeOf(request.pageSize);
  const { scope, read } = request.jobId === "" ? ofAll(deps) : await ofJob(deps, request.jobId);
  const executions = await read(cursorOf(scope, request.pageToken, parseExecutionId), limit);
  const last = executions.length < limit ? undefined : executions.at(-1)?.execution.id;
  return create(ListNetworkUseResponseSchema, {
    executions: [...(await networkUseMessages(executions, new NodeNames(deps)))],
    nextPageToken: last === undefined ? "" : pageTokenFor(scope, last),
  });
}

interface UseList {
  readonly scope: readonly string[];
  /** Oldest first. */
  readonly read: (after: ExecutionId | undefined, limit: number) => Promise<readonly NetworkedExecution[]>;
}

function ofAll({ commands }: SchedulerApiDeps): UseList {
  return {
    scope: ["network-use"],
    read: (after, limit) => {
      const rest = commands.networkedExecutions().filter(({ execution }) => after === undefined || execution.id > after);
      return Promise.resolve(rest.toSorted((a, b) => (a.execution.id < b.execution.id ? -1 : 1)).slice(0, limit));
    },
  };
}

async function ofJob({ store }: SchedulerApiDeps, reference: string): Promise<UseList> {
  const { id, spec } = await findJob(store, reference);
  const { network } = spec.task;
  return {
    scope: ["network-use", id],
    read: async (after, limit) =>
      network.mode === "none"
        ? []
        : (await store.listExecutions(id, after, limit)).map((execution) => ({ execution, jobName: spec.name, network })),
  };
}
