import { networkInterfaces } from "node:os";
import type Docker from "dockerode";
import { DomainError } from "@skrei/domain";
import type { Door } from "../../ports.ts";
import { engineCall, engineFailed, statusOf } from "./engine-call.ts";

const NAME = "skrei-full";
const LABEL = "skrei.network";
const CALL_TIMEOUT_MS = 30_000;
/** This network, link-local with the metadata address, and everything that reaches more than one: broadcast, multicast. */
const ALWAYS_CLOSED = ["0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];
const IPV4_NETWORK = /^\d+\.\d+\.\d+\.\d+\/\d+$/u;

export interface OutsideNetwork {
  readonly networkId: string;
  readonly deniedNetworks: readonly string[];
}

/**
 * The bridge on which holders of mode full are: made when it is first needed, for all agents of the engine, and removed by the
 * agent that closes last. Its members do not see each other.
 */
export class FullNetwork {
  readonly #docker: Docker;
  #found: Promise<Docker.NetworkInspectInfo> | undefined;

  constructor(docker: Docker) {
    this.#docker = docker;
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

  /** Looked for again at the next use: another agent may have removed it. */
  forget(): void {
    this.#found = undefined;
  }

  /** The engine refuses while somebody is on it. */
  async close(): Promise<void> {
    if (this.#found === undefined) return;
    const { Id } = await this.#found;
    await engineCall("remove network", CALL_TIMEOUT_MS, () => this.#docker.getNetwork(Id).remove()).catch(() => undefined);
  }

  async #findOrMake(): Promise<Docker.NetworkInspectInfo> {
    const found = (await this.#find()) ?? (await this.#make().then(() => this.#find()));
    if (found === undefined) throw engineFailed(`the network ${NAME} was made and is not there`);
    return found;
  }

  /** Two agents may make one at the same moment; all use the first by its id. */
  async #find(): Promise<Docker.NetworkInspectInfo | undefined> {
    const found = await engineCall("list networks", CALL_TIMEOUT_MS, () =>
      this.#docker.listNetworks({ filters: { name: [NAME], label: [LABEL] } }),
    );
    return found.filter(({ Name }) => Name === NAME).toSorted((a, b) => (a.Id < b.Id ? -1 : 1))[0];
  }

  async #make(): Promise<void> {
    try {
      await engineCall("create network", CALL_TIMEOUT_MS, () =>
        this.#docker.createNetwork({
          Name: NAME,
          CheckDuplicate: true,
          Driver: "bridge",
          EnableIPv6: false,
          Labels: { [LABEL]: "full" },
          Options: { "com.docker.network.bridge.enable_icc": "false" },
        }),
      );
    } catch (error) {
      if (statusOf(error) !== 409) throw error;
    }
  }
}

/** The policy knows the proxy's; the agent may have others. */
function hostAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => `${address}/32`);
}
