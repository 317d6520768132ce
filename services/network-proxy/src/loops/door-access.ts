import { deniedNetworks } from "../domain/denied-networks.ts";
import type { NetworkPolicy } from "../domain/network-policy.ts";
import type { HeldDoor } from "./doors.ts";

/** What the sandbox of an execution needs to use its door, and to close everything else. */
export interface DoorAccess {
  readonly env: Readonly<Record<string, string>>;
  /** Empty for mode none. */
  readonly socketPath: string;
  /** `user:secret`; empty for mode none. */
  readonly credential: string;
  /** For mode full. */
  readonly deniedNetworks: readonly string[];
}

export async function doorAccess({ door, socket }: HeldDoor, policy: NetworkPolicy): Promise<DoorAccess> {
  if (socket === undefined) return { env: {}, socketPath: "", credential: "", deniedNetworks: [] };
  const credential = `${door.executionId}:${door.secret}`;
  // A task in mode full has a network of its own; only its WASM modules go through the socket.
  const isFull = door.rules.mode === "full";
  return {
    env: isFull ? {} : proxyVariables(credential),
    socketPath: socket.path,
    credential,
    deniedNetworks: isFull ? deniedNetworks(policy, await door.reserved.current()) : [],
  };
}

/** Where the sandbox listens for the task, on its loopback. */
const LISTENER = "127.0.0.1:3128";
const NO_PROXY = "localhost,127.0.0.1,::1";

/** Programs read one spelling or the other. */
function proxyVariables(credential: string): Readonly<Record<string, string>> {
  const url = `http://${credential}@${LISTENER}`;
  return {
    http_proxy: url,
    https_proxy: url,
    HTTP_PROXY: url,
    HTTPS_PROXY: url,
    no_proxy: NO_PROXY,
    NO_PROXY,
    // Node asks for it.
    NODE_USE_ENV_PROXY: "1",
  };
}
