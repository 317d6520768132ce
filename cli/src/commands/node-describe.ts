import { NodeSchema } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { msOrZero } from "@skrei/wire/time.ts";
import { toCallError } from "../client/call-error.ts";
import { present } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { describeCache } from "../data/state-words.ts";
import { describeLimits, describeOffer, describePorts } from "../network/network-words.ts";
import { renderFields } from "../output/fields.ts";
import { formatOf, OUTPUT_FLAGS, printRecord } from "../output/format.ts";
import { answer } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { formatCpu } from "../parse/parse-cpu.ts";
import type { Session } from "../session.ts";
import { nodeState } from "./node-list.ts";

export const nodeDescribe = defineCommand({
  path: "node describe",
  aliases: ["show"],
  summary: "Show a node.",
  args: [{ name: "node", summary: "id, unique prefix or name", isRequired: true, completes: "node" }],
  flags: OUTPUT_FLAGS,
  examples: ["skrei node describe n-01ab", "skrei node describe lab-1 -o yaml"],
  exitCodes: { 3: "no such node, or several" },
  run: async ({ args, flags, session }) => {
    const node = present((await session.cluster.nodes.getNode({ nodeId: args[0] ?? "" })).node);
    if (await printRecord(session.terminal, NodeSchema, { value: node, name: node.nodeId, format: formatOf(flags) })) return;
    const amounts = (resources: typeof node.capacity): string =>
      `${formatCpu(Number(resources?.cpuMillis ?? 0))} cpu, ${formatBytes(Number(resources?.memoryBytes ?? 0))} memory, ${formatBytes(Number(resources?.diskBytes ?? 0))} disk`;
    await answer(
      session.terminal,
      ...renderFields([
        ["id", node.nodeId],
        ["name", node.name],
        ["state", nodeState(node)],
        ["capacity", amounts(node.capacity)],
        ["allocated", amounts(node.allocated)],
        ["executions", String(node.executions)],
        ...node.engines.map(
          ({ name, version, available, message }) =>
            [`engine ${name}`, available ? version || "available" : `not available: ${message}`] as const,
        ),
        ["network", describeOffer(node.network)],
        ["network ports", describePorts(node.network)],
        ["network limits", describeLimits(node.network)],
        ["cache", await describeNodeCache(session, node.nodeId)],
        ["policy problem", node.network?.problem ?? ""],
        [
          "labels",
          Object.entries(node.labels)
            .map(([key, value]) => `${key}=${value}`)
            .join(" "),
        ],
        ["version", node.version],
        ["heartbeat", node.heartbeatTime === undefined ? "" : new Date(msOrZero(node.heartbeatTime)).toISOString()],
        ["joined", node.joinTime === undefined ? "" : new Date(msOrZero(node.joinTime)).toISOString()],
      ]),
    );
  },
});

/** What else there is to say of a node does not depend on its answer. */
async function describeNodeCache(session: Session, nodeId: string): Promise<string> {
  try {
    const [node] = (await session.cluster.data.getDataState({ nodeId }, { signal: session.signal })).nodes;
    return node?.cache === undefined ? (node?.problem ?? "") : describeCache(node.cache);
  } catch (error) {
    const known = toCallError(error, session.settings);
    if (session.signal.aborted || known === undefined) throw error;
    return `cannot be asked: ${known.message}`;
  }
}
