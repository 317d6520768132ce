import { join } from "node:path";
import type { Client } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DoorService, type ListDoorsResponse_Door } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import type { DoorKey } from "./door-client.ts";
import { eventually } from "./eventually.ts";
import type { Lab } from "./lab.ts";
import { randomExecutionId } from "./random-execution-id.ts";
import { type PolicyKeys, writePolicyFile } from "./policy-file.ts";
import { type ServiceProcess, startServiceProcess } from "./service-process.ts";

/** What one door is to be like. */
export interface DoorWish {
  readonly domains: readonly string[];
  readonly clusterUrls?: readonly string[];
  readonly egressBytesMax?: number;
}

export interface LabDoor extends DoorKey {
  readonly executionId: string;
}

/** A network-proxy that runs in a lab; its API and its doors are reached from here. */
export interface LabProxy extends AsyncDisposable {
  readonly process: ServiceProcess;
  readonly api: Client<typeof DoorService>;
  openDoor(wish: DoorWish): Promise<LabDoor>;
  /** The door as the proxy lists it. */
  door(executionId: string): Promise<ListDoorsResponse_Door | undefined>;
  /** Writes the file and waits until it is in force. */
  setPolicy(policy: PolicyKeys): Promise<void>;
}

/** The proxy's rate is out of the way unless a test wants it. */
export async function startLabProxy(lab: Lab, policy: PolicyKeys, label = "network-proxy"): Promise<LabProxy> {
  const policyFile = join(lab.folder, `${label}.yaml`);
  await writePolicyFile(policyFile, { ...LAB_POLICY, ...policy });
  const process = await startServiceProcess(
    "network-proxy",
    { "data-folder": join(lab.folder, label), "policy-file": policyFile },
    { place: lab.resolvingPlace, label },
  );
  const api = createClient(DoorService, createHttpTransport({ url: await lab.place.reach(process.url) }));
  const digest = async (): Promise<string> => (await api.getNetworkPolicy({})).network?.policyDigest ?? "";
  return {
    process,
    api,
    openDoor: async ({ domains, clusterUrls = [], egressBytesMax = 0 }) => {
      const executionId = randomExecutionId();
      const network = { mode: Network_Mode.HTTP, domains: [...domains], egressBytesMax: BigInt(egressBytesMax) };
      const { socketPath, credential } = await api.openDoor({ executionId, network, owner: "n-lab", clusterUrls: [...clusterUrls] });
      return { executionId, socketPath, credential };
    },
    door: async (executionId) => (await api.listDoors({})).doors.find((door) => door.executionId === executionId),
    setPolicy: async (next) => {
      const before = await digest();
      await writePolicyFile(policyFile, { ...LAB_POLICY, ...next });
      await eventually(digest, (now) => now !== before, { withinMs: 5_000 });
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

const LAB_POLICY: PolicyKeys = { modes: ["none", "http"], rateBitsPerSecond: 0 };
