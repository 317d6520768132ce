import { NodeSchema, Node_Connection, Node_Membership } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import type { Node } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { defineCommand } from "../command.ts";
import { text, valueFlag } from "../flags.ts";
import { describeOffer } from "../network/network-words.ts";
import { formatOf, OUTPUT_FLAGS, printListing } from "../output/format.ts";
import type { Column } from "../output/table.ts";
import { say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { formatCpu } from "../parse/parse-cpu.ts";
import { integerBetween } from "../parse/parse-integer.ts";

export const nodeList = defineCommand({
  path: "node list",
  aliases: ["ls"],
  summary: "List the nodes of the cluster.",
  args: [],
  flags: {
    ...OUTPUT_FLAGS,
    limit: valueFlag("N", "at most so many; default 100", integerBetween(1, 1_000), { isCommon: true }),
    "page-token": valueFlag("TOKEN", "where the last page ended", text),
  },
  examples: ["skrei node list", "skrei node list -o wide"],
  run: async ({ flags, session }) => {
    const limit = flags.limit ?? 100;
    const page = await session.cluster.nodes.listNodes({ pageSize: limit, pageToken: flags["page-token"] ?? "" });
    await printListing(session.terminal, {
      schema: NodeSchema,
      records: page.nodes,
      columns: COLUMNS,
      nameOf: ({ nodeId }) => nodeId,
      format: formatOf(flags),
    });
    const [broken] = page.nodes.filter(hasPolicyProblem);
    if (broken !== undefined)
      await say(session.terminal, `the network policy of ${broken.name} has a mistake: skrei node describe ${broken.name}`);
    if (page.nextPageToken !== "") await say(session.terminal, `next: skrei node list --limit ${limit} --page-token ${page.nextPageToken}`);
    else if (page.nodes.length === 0) await say(session.terminal, "no nodes have joined yet");
  },
});

const COLUMNS: readonly Column<Node>[] = [
  { header: "ID", value: ({ nodeId }) => nodeId },
  { header: "NAME", value: ({ name }) => name },
  { header: "STATE", value: (node) => `${nodeState(node)}${hasPolicyProblem(node) ? ", bad policy" : ""}` },
  {
    header: "ENGINES",
    value: ({ engines }) =>
      engines
        .filter(({ available }) => available)
        .map(({ name }) => name)
        .join(" ") || "-",
  },
  {
    header: "CPU",
    value: ({ allocated, capacity }) => `${formatCpu(Number(allocated?.cpuMillis ?? 0))}/${formatCpu(Number(capacity?.cpuMillis ?? 0))}`,
    isRight: true,
  },
  {
    header: "MEMORY",
    value: ({ allocated, capacity }) =>
      `${formatBytes(Number(allocated?.memoryBytes ?? 0))}/${formatBytes(Number(capacity?.memoryBytes ?? 0))}`,
    isRight: true,
  },
  { header: "RUNS", value: ({ executions }) => String(executions), isRight: true },
  { header: "NETWORK", value: ({ network }) => describeOffer(network), isWide: true },
  { header: "VERSION", value: ({ version }) => version, isWide: true },
  {
    header: "LABELS",
    value: ({ labels }) =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    isWide: true,
  },
];

function hasPolicyProblem({ network }: Node): boolean {
  return network !== undefined && network.problem !== "";
}

/** The one word that matters most. */
export function nodeState({ membership, connection, draining }: Node): string {
  if (membership === Node_Membership.REJECTED) return "rejected";
  if (connection === Node_Connection.LOST) return "lost";
  if (membership === Node_Membership.PENDING) return "pending";
  return draining ? "draining" : "ready";
}
