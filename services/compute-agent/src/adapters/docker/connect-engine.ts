import Docker from "dockerode";
import { engineCall } from "./engine-call.ts";

const INFO_TIMEOUT_MS = 60_000;

/** `unix:///path` or `http://host:port`. */
export function connectEngine(host: string): Docker {
  // No `agent`: docker-modem inspects its options deeply at each call, and an agent's sockets make that cost more than the call.
  if (host.startsWith("unix://")) return new Docker({ socketPath: host.slice("unix://".length) });
  const url = new URL(host.replace(/^tcp:/u, "http:"));
  return new Docker({ protocol: "http", host: url.hostname, port: Number(url.port || 2375) });
}

/** Infinite when the engine does not say. */
export async function readCores(docker: Docker): Promise<number> {
  const { NCPU } = (await engineCall("info", INFO_TIMEOUT_MS, () => docker.info())) as { NCPU?: number };
  return NCPU !== undefined && NCPU > 0 ? NCPU : Number.POSITIVE_INFINITY;
}
