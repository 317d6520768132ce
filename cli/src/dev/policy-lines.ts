import { setTimeout as sleep } from "node:timers/promises";
import type { Node } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import type { Cluster } from "../client/cluster.ts";
import { toCallError } from "../client/call-error.ts";
import { describeOffer } from "../network/network-words.ts";
import { cleanLine } from "../output/clean-text.ts";
import { say } from "../output/terminal.ts";
import type { Terminal } from "../output/terminal.ts";

const LOOK_INTERVAL_MS = 500;

/** Says what becomes of each change of the policy file, in one line for all nodes, until the signal ends it. */
export async function tellPolicyChanges(terminal: Terminal, { nodes }: Pick<Cluster, "nodes">, signal: AbortSignal): Promise<void> {
  const lines = createPolicyLines();
  while (!signal.aborted) {
    try {
      const line = lines.next((await nodes.listNodes({ pageSize: 1_000 }, { signal })).nodes);
      if (line !== undefined) await say(terminal, cleanLine(line));
      await sleep(LOOK_INTERVAL_MS, undefined, { signal });
    } catch (error) {
      // The cluster is stopping, or too busy to answer; the next look tells.
      if (!signal.aborted && toCallError(error, undefined) === undefined) throw error;
      await sleep(LOOK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** What is new since the last look; nodes that read the same file are spoken of once they agree. */
export function createPolicyLines(): { next(nodes: readonly Pick<Node, "network">[]): string | undefined } {
  let said: string | undefined;
  return {
    next(nodes) {
      const [first, ...others] = nodes.map(({ network }) => network);
      const key = keyOf(first);
      if (first === undefined || key === said || others.some((other) => keyOf(other) !== key)) return undefined;
      const isStart = said === undefined;
      said = key;
      if (first.problem !== "") return `network policy: ${first.problem.replace(/\.$/u, "")}; the one before it stays until this is mended`;
      return isStart ? undefined : `network policy: counts now: ${describeOffer(first)}`;
    },
  };
}

function keyOf(network: Node["network"]): string {
  return `${network?.policyDigest ?? ""} ${network?.problem ?? ""}`;
}
