import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { NetworkSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { NETWORK_MODE_FROM_PROTO, NETWORK_MODE_TO_PROTO } from "@skrei/wire/task.ts";
import type { DoorPort } from "../ports.ts";

/** The node's network-proxy over a Connect transport. */
export function createProxyClient(transport: Transport): DoorPort {
  const client = createClient(DoorService, transport);
  return {
    modes: async (signal) => {
      const { modes } = await client.getNetworkPolicy({}, { signal });
      return modes.map((mode) => NETWORK_MODE_FROM_PROTO.get(mode)).filter((mode) => mode !== undefined);
    },
    open: async (executionId, mode, signal) => {
      const { env } = await client.openDoor(
        { executionId, network: create(NetworkSchema, { mode: NETWORK_MODE_TO_PROTO[mode] }) },
        { signal },
      );
      return env;
    },
    close: async (executionId) => {
      await client.closeDoor({ executionId });
    },
  };
}
