import type { Readable } from "node:stream";
import type Docker from "dockerode";
import type { ContainerCreateOptions } from "dockerode";
import type { NetworkMode } from "@skrei/domain";
import { abortable, engineCall, engineFailed, refusalText } from "./engine-call.ts";
import { IN_HOLDER } from "./slot-folders.ts";

const START_TIMEOUT_MS = 30_000;
const REMOVE_TIMEOUT_MS = 20_000;
const MIB = 1024 * 1024;
/** Each connection takes two. */
const OPEN_FILES_MAX = 2_048;
/** Little is used until a task sends on all its connections what the proxy does not take: 80 MiB then, 210 where TCP's own counts (cgroup v2). */
const MEMORY_BYTES_MAX = 256 * MIB;
/** Where `http_proxy` of a door points. */
const DOOR_PORT = 3128;

/** A container that only holds a network namespace, which a task joins: that spares the engine more than half of a task's start. */
export interface Holder {
  readonly id: string;
  readonly mode: NetworkMode;
  /** The folder on the host that tells it where to relay; empty when it relays nothing. */
  readonly slotId: string;
  /** Of the network-proxy, on the host; empty when it relays nothing. */
  readonly doorsFolder: string;
}

export interface HolderParts {
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What it relays to, if it relays. */
  readonly door?: { readonly slotFolder: string; readonly doorsFolder: string };
  /** A network with a way out, and what is closed towards it before any task joins. */
  readonly outside?: { readonly networkId: string; readonly deniedNetworks: readonly string[] };
}

/** Resolves when the holder does its work: listens at its port, and is closed to what it must be closed to. */
export async function startHolder(docker: Docker, parts: HolderParts): Promise<string> {
  const container = await engineCall("create holder", START_TIMEOUT_MS, (abortSignal) =>
    docker.createContainer({ ...holderOptions(parts), abortSignal }),
  );
  try {
    const said = parts.door === undefined && parts.outside === undefined ? undefined : await listen(container);
    await engineCall("start holder", START_TIMEOUT_MS, (abortSignal) => container.start({ abortSignal }));
    if (said !== undefined) await untilReady(said);
    return container.id;
  } catch (error) {
    await removeHolder(docker, container.id).catch(() => undefined);
    throw error;
  }
}

export async function removeHolder(docker: Docker, holderId: string): Promise<void> {
  await engineCall("remove holder", REMOVE_TIMEOUT_MS, (abortSignal) =>
    docker.getContainer(holderId).remove({ force: true, v: true, abortSignal }),
  );
}

/** The engine's refusal to start a task whose holder has died. */
export function isHolderGone(error: unknown, holderId: string): boolean {
  const text = refusalText(error);
  return text.includes("cannot join network of a non running container") || (holderId !== "" && text.includes(holderId));
}

function holderOptions({ image, labels, door, outside }: HolderParts): ContainerCreateOptions {
  const isClosing = outside !== undefined;
  return {
    Image: image,
    Cmd: ["/holder", ...verbOf(door, outside)],
    // Closing a namespace takes a capability, which only root can be given; the program drops it before it says that it is ready.
    User: isClosing ? "0:0" : "65534:65534",
    Labels: { ...labels },
    AttachStdout: true,
    HostConfig: {
      NetworkMode: outside?.networkId ?? "none",
      // Tasks share the holder's resolver file. With no network it must not tell them of the host's, nor let them wait for it.
      ...(!isClosing && { Dns: ["127.0.0.1"], DnsSearch: ["."] }),
      CapDrop: ["ALL"],
      ...(isClosing && { CapAdd: ["NET_ADMIN"] }),
      SecurityOpt: ["no-new-privileges"],
      ReadonlyRootfs: true,
      PidsLimit: 16,
      Memory: MEMORY_BYTES_MAX,
      MemorySwap: MEMORY_BYTES_MAX,
      Ulimits: [{ Name: "nofile", Soft: OPEN_FILES_MAX, Hard: OPEN_FILES_MAX }],
      Mounts: door === undefined ? [] : [bindOf(door.doorsFolder, IN_HOLDER.doors), bindOf(door.slotFolder, IN_HOLDER.slot)],
      LogConfig: { Type: "none", Config: {} },
      RestartPolicy: { Name: "no" },
    },
  };
}

function verbOf(door: HolderParts["door"], outside: HolderParts["outside"]): readonly string[] {
  if (outside !== undefined) return ["closed", ...outside.deniedNetworks];
  return door === undefined ? ["wait"] : ["door", IN_HOLDER.slot, String(DOOR_PORT)];
}

type Mounts = NonNullable<NonNullable<ContainerCreateOptions["HostConfig"]>["Mounts"]>;

function bindOf(source: string, target: string): Mounts[number] {
  return { Type: "bind", Source: source, Target: target, ReadOnly: true, BindOptions: { Propagation: "rprivate" } };
}

async function listen(container: Docker.Container): Promise<NodeJS.ReadableStream> {
  return await engineCall("attach holder", START_TIMEOUT_MS, (abortSignal) =>
    container.attach({ stream: true, stdout: true, abortSignal }),
  );
}

async function untilReady(said: NodeJS.ReadableStream): Promise<void> {
  const read = async (): Promise<string> => {
    let text = "";
    for await (const chunk of said) {
      text += String(chunk);
      if (text.includes("ready\n")) return "";
    }
    // The engine puts a head of eight bytes before each piece.
    return text.replace(/^[^]{8}/u, "").trim();
  };
  const problem = await abortable(read(), AbortSignal.timeout(START_TIMEOUT_MS)).finally(() => (said as Readable).destroy());
  if (problem !== "") throw engineFailed(`the network holder did not start: ${problem}`);
}
