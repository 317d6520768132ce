import { create } from "@bufbuild/protobuf";
import { ExecutionNetworkUseSchema } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { ExecutionNetworkUse } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { EXECUTION_STATE_TO_PROTO } from "@skrei/wire/execution.ts";
import { networkToProto, networkUseToProto } from "@skrei/wire/network.ts";
import type { NetworkedExecution } from "../ports.ts";
import type { NodeNames } from "./node-names.ts";

export async function networkUseMessages(
  executions: readonly NetworkedExecution[],
  names: NodeNames,
): Promise<readonly ExecutionNetworkUse[]> {
  await names.learn(executions.map(({ execution }) => execution.nodeId));
  return executions.map(({ execution, jobName, network }) => {
    const { id: executionId, jobId, partition, nodeId, state, networkUse } = execution;
    return create(ExecutionNetworkUseSchema, {
      executionId,
      jobId,
      jobName,
      partition,
      nodeId,
      nodeName: names.of(nodeId),
      state: EXECUTION_STATE_TO_PROTO[state],
      network: networkToProto(network),
      ...(networkUse !== undefined && { use: networkUseToProto(networkUse) }),
    });
  });
}
