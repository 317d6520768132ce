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

export interface EngineFacts {
  /** Infinite when the engine does not say. */
  readonly cores: number;
  /** Filters tasks' system calls. */
  readonly isFiltering: boolean;
}

export async function readEngine(docker: Docker): Promise<EngineFacts> {
  const info = (await engineCall("info", INFO_TIMEOUT_MS, () => docker.info())) as { NCPU?: number; SecurityOptions?: readonly string[] };
  const { NCPU = 0, SecurityOptions = [] } = info;
  return {
    cores: NCPU > 0 ? NCPU : Number.POSITIVE_INFINITY,
    isFiltering: SecurityOptions.some((option) => /^(name=)?seccomp(,|$)/u.test(option)),
  };
}
