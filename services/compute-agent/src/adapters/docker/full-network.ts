import { networkInterfaces } from "node:os";
import type Docker from "dockerode";
import { DomainError, type NodeId } from "@skrei/domain";
import type { Door } from "../../ports.ts";
import { engineCall, statusOf } from "./engine-call.ts";

const CALL_TIMEOUT_MS = 30_000;
/** This network, link-local with the metadata address, and everything that reaches more than one: broadcast, multicast. */
const ALWAYS_CLOSED = ["0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];
const IPV4_NETWORK = /^\d+\.\d+\.\d+\.\d+\/\d+$/u;

export interface OutsideNetwork {
  readonly networkId: string;
  readonly deniedNetworks: readonly string[];
}

/**
 * The bridge on which this node's holders of mode full are. Made when it is first needed, and removed when the agent stops, unless
 * tasks are still on it. Its members do not see each other. A node has its own, as the engine lets two of one name come about and
 * then takes neither.
 */
export class FullNetwork {
  readonly #docker: Docker;
  readonly #name: string;
  readonly #labels: Readonly<Record<string, string>>;
  #found: Promise<Docker.NetworkInspectInfo> | undefined;

  constructor(docker: Docker, options: { readonly nodeId: NodeId; readonly labels: Readonly<Record<string, string>> }) {
    this.#docker = docker;
    this.#name = `skrei-full-${options.nodeId}`;
    this.#labels = options.labels;
  }

  /** The network, and what a holder on it must be closed to for that door. */
  async outside(door: Door): Promise<OutsideNetwork> {
    const denied = door.deniedNetworks.filter((network) => IPV4_NETWORK.test(network));
    if (denied.length === 0)
      throw new DomainError("unavailable", "DOOR_FAILED", "the network-proxy names no network that a task in mode full must not reach");
    this.#found ??= this.#findOrMake().catch((error: unknown) => {
      this.#found = undefined;
      throw error;
    });
    const { Id, IPAM } = await this.#found;
    const subnets = (IPAM?.Config ?? []).flatMap(({ Subnet = "" }) => (IPV4_NETWORK.test(Subnet) ? [Subnet] : []));
    const all = new Set([...ALWAYS_CLOSED, ...subnets, ...hostAddresses(), ...denied]);
    return { networkId: Id, deniedNetworks: [...all] };
  }

  /** Looked for again at the next use: an operator may have removed it. */
  forget(): void {
    this.#found = undefined;
  }

  /** The engine refuses while somebody is on it, and most agents never made one. */
  async close(): Promise<void> {
    await engineCall("remove network", CALL_TIMEOUT_MS, () => this.#docker.getNetwork(this.#name).remove()).catch(() => undefined);
  }

  async #findOrMake(): Promise<Docker.NetworkInspectInfo> {
    const inspect = async (): Promise<Docker.NetworkInspectInfo> =>
      (await engineCall("inspect network", CALL_TIMEOUT_MS, () =>
        this.#docker.getNetwork(this.#name).inspect(),
      )) as Docker.NetworkInspectInfo;
    try {
      return await inspect();
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
      await this.#make();
      return await inspect();
    }
  }

  async #make(): Promise<void> {
    await engineCall("create network", CALL_TIMEOUT_MS, () =>
      this.#docker.createNetwork({
        Name: this.#name,
        CheckDuplicate: true,
        Driver: "bridge",
        EnableIPv6: false,
        Labels: { ...this.#labels },
        Options: { "com.docker.network.bridge.enable_icc": "false" },
      }),
    );
  }
}

/** The policy knows the proxy's; the agent may have others. */
function hostAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => `${address}/32`);
}
