import { hasReason } from "@skrei/domain";
import { cleanLine } from "../output/clean-text.ts";
import { say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { type BlockSource, GatewayBlocks } from "./block-source.ts";
import { GatewayClient } from "./gateway-stream.ts";

/** Connections to the content store, and trees at a time. */
export const PARALLEL_MAX = 4;
const IDLE_TIMEOUT_MS = 60_000;
/** With the pauses between them about a minute: a publisher that restarts is back by then. */
const TRIES_MAX = 9;
const BACKOFF_MS = 250;
const NOTE_INTERVAL_MS = 5_000;

export function createGatewayClient(): GatewayClient {
  return new GatewayClient({ connectionsMax: PARALLEL_MAX, idleTimeoutMs: IDLE_TIMEOUT_MS });
}

export interface GatewayRoot {
  /** Empty for what is kept without a job. */
  readonly jobId: string;
  readonly cid: string;
  /** False to fail at once where more tries would help. Default true. */
  readonly isPatient?: boolean;
  /** True to say nothing of tries that are made again. */
  readonly isQuiet?: boolean;
}

/** Blocks of a root by way of links that the cluster signs. */
export function openGateway(
  session: Session,
  client: GatewayClient,
  { jobId, cid, isPatient = true, isQuiet = false }: GatewayRoot,
): BlockSource {
  return new GatewayBlocks({
    createLink: async () => (await session.cluster.results.createDownloadLink({ jobId, cid })).url,
    get: (address, signal, push) => client.get(address, signal, push),
    signal: session.signal,
    triesMax: isPatient ? TRIES_MAX : 1,
    backoffMs: BACKOFF_MS,
    ...(!isQuiet && { onRetry: createRetryNotes(session) }),
  });
}

/** A line in some seconds, however many connections try again. */
function createRetryNotes({ terminal }: Session): (error: unknown) => void {
  let saidAtMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    const nowMs = performance.now();
    if (nowMs - saidAtMs < NOTE_INTERVAL_MS || !(error instanceof Error) || hasReason(error, "LINK_INVALID")) return;
    saidAtMs = nowMs;
    const { isTty } = terminal.stderr;
    // Over the progress line, which is painted anew below.
    void say(terminal, `${isTty ? "\r\u001B[2K" : ""}note: ${cleanLine(error.message)} Trying again.`);
  };
}
