import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError, parseExecutionId } from "@skrei/domain";
import type { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { NETWORK_MODE_FROM_PROTO, NETWORK_MODE_TO_PROTO } from "@skrei/wire/task.ts";
import type { DoorTable } from "../domain/door-table.ts";
import { decideDoor, modeNotOffered, type NetworkPolicy } from "../domain/network-policy.ts";

/** DoorService: what executions of this node may reach. */
export function doorHandlers(policy: NetworkPolicy, doors: DoorTable): ServiceImpl<typeof DoorService> {
  return {
    getNetworkPolicy: () => ({ modes: policy.modes.map((mode) => NETWORK_MODE_TO_PROTO[mode]) }),
    openDoor: ({ executionId, network }) => {
      const asked = network === undefined || network.mode === Network_Mode.UNSPECIFIED ? Network_Mode.NONE : network.mode;
      const decision = decideDoor(policy, NETWORK_MODE_FROM_PROTO.get(asked));
      if (decision.verdict === "refuse") throw modeNotOffered(policy, `number ${asked}`);
      doors.open(checkExecutionId(executionId), decision.mode);
      return { env: {} };
    },
    closeDoor: ({ executionId }) => {
      doors.close(executionId);
      return {};
    },
    listDoors: () => ({
      doors: doors.list().map(({ executionId, mode }) => ({ executionId, network: { mode: NETWORK_MODE_TO_PROTO[mode] } })),
    }),
  };
}

function checkExecutionId(executionId: string): string {
  if (parseExecutionId(executionId) !== undefined) return executionId;
  throw new DomainError("invalid", "FIELD_INVALID", `"${executionId.slice(0, 64)}" is not an execution id.`, {
    hint: "Execution ids look like e-01k…, 28 characters.",
  });
}
