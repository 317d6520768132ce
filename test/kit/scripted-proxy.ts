import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import {
  DomainError,
  NO_NODE_NETWORK,
  type EgressExplanation,
  type HostUse,
  type Network,
  type NetworkUse,
  type NodeNetwork,
} from "@skrei/domain";
import {
  type ExplainEgressRequest,
  ListDoorsResponse_DoorSchema,
  type ListDoorsResponse_Door as PbDoor,
} from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { explanationToProto, networkFromProto, networkToProto, networkUseToProto, nodeNetworkToProto } from "@skrei/wire/network.ts";

interface OpenDoor {
  readonly network: Network;
  readonly owner: string;
  readonly clusterUrls: readonly string[];
  readonly use?: NetworkUse;
}

/** The proxy's side of the door contract, played from a test: it carries no traffic, and counts what it is told. */
export class ScriptedProxy {
  readonly doors = new Map<string, OpenDoor>();
  /** Names of the calls that came, in their order; watches and policies are left out, they come by themselves. */
  readonly calls: string[] = [];
  /** What an operator offers; lists are compared by text. */
  offered: NodeNetwork = NO_NODE_NETWORK;
  /** What `explainEgress` says. */
  explanation: EgressExplanation | undefined;
  /** The last one. */
  explainRequest: ExplainEgressRequest | undefined;
  /** Policies are told when this resolves. */
  policyGate: Promise<void> = Promise.resolve();
  /** While true watches tell nothing new. */
  isSilent = false;
  readonly #changes = new EventTarget();
  #isAway = false;

  get isAway(): boolean {
    return this.#isAway;
  }

  /** While true no call is answered, and watches are cut. */
  set isAway(isAway: boolean) {
    this.#isAway = isAway;
    this.#changes.dispatchEvent(new Event("change"));
  }

  count(executionId: string, use: NetworkUse): void {
    const door = this.doors.get(executionId);
    if (door === undefined) throw new Error(`there is no door of ${executionId}`);
    this.doors.set(executionId, { ...door, use });
    if (!this.isSilent) this.#changes.dispatchEvent(new Event("change"));
  }

  readonly routes = ({ service }: ConnectRouter): void => {
    service(DoorService, {
      getNetworkPolicy: async () => {
        await this.policyGate;
        this.#refuseWhileAway();
        return { network: nodeNetworkToProto(this.offered) };
      },
      checkNetwork: ({ network }) => {
        this.#note("check");
        this.#check(networkFromProto(network));
        return {};
      },
      openDoor: ({ executionId, network, owner, clusterUrls }) => {
        this.#note("open");
        const asked = this.#check(networkFromProto(network));
        if (!this.doors.has(executionId)) this.doors.set(executionId, { network: asked, owner, clusterUrls });
        const credential = `${executionId}:secret`;
        return { env: { http_proxy: `http://${credential}@127.0.0.1:3128` }, socketPath: `/proxy/doors/${executionId}.sock`, credential };
      },
      closeDoor: ({ executionId }) => {
        this.#note("close");
        const use = this.doors.get(executionId)?.use;
        this.doors.delete(executionId);
        return use === undefined ? {} : { use: networkUseToProto(use) };
      },
      listDoors: ({ owner }) => {
        this.#note("list");
        return { doors: this.#doorsOf(owner) };
      },
      watchDoors: ({ owner }, { signal }) => this.#watch(owner, signal),
      explainEgress: (request) => {
        this.#note("explain");
        this.explainRequest = request;
        return this.explanation === undefined ? {} : { explanation: explanationToProto(this.explanation) };
      },
    });
  };

  async *#watch(owner: string, signal: AbortSignal): AsyncGenerator<{ doors: PbDoor[] }> {
    for (;;) {
      this.#refuseWhileAway();
      const changed = once(this.#changes, "change", { signal });
      changed.catch(() => undefined); // The watcher has left.
      yield { doors: this.#doorsOf(owner) };
      await changed;
    }
  }

  #doorsOf(owner: string): PbDoor[] {
    return [...this.doors]
      .filter(([, door]) => owner === "" || door.owner === owner)
      .map(([executionId, door]) =>
        create(ListDoorsResponse_DoorSchema, {
          executionId,
          owner: door.owner,
          network: networkToProto(door.network),
          ...(door.use !== undefined && { use: networkUseToProto(door.use) }),
        }),
      );
  }

  #note(call: string): void {
    this.calls.push(call);
    this.#refuseWhileAway();
  }

  #refuseWhileAway(): void {
    if (this.#isAway) throw new DomainError("unavailable", "UNREACHABLE", "the proxy is away");
  }

  #check(network: Network | undefined): Network {
    if (network === undefined || !this.offered.modes.includes(network.mode))
      throw new DomainError("precondition", "NETWORK_MODE_NOT_OFFERED", `the node does not offer network ${network?.mode ?? "unknown"}`);
    const missing = network.domains.filter((domain) => !this.offered.domains.includes(domain));
    if (missing.length > 0)
      throw new DomainError("precondition", "NETWORK_DOMAIN_NOT_ALLOWED", `the node does not allow ${missing.join(", ")}`);
    return network;
  }
}

/** What a door was used for: requests that passed and that were refused, by host. */
export function aUse(hosts: Readonly<Record<string, Partial<HostUse>>>): NetworkUse {
  const all = Object.entries(hosts).map(([host, use]): HostUse => ({ ...NOTHING, host, ...use }));
  const sum = (count: "requests" | "denied" | "sentBytes" | "receivedBytes"): number => all.reduce((total, use) => total + use[count], 0);
  return { hosts: all, requests: sum("requests"), denied: sum("denied"), sentBytes: sum("sentBytes"), receivedBytes: sum("receivedBytes") };
}

const NOTHING = { requests: 0, denied: 0, sentBytes: 0, receivedBytes: 0, rule: "", reason: "", message: "" };
