import { create } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import { NetworkSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Explanation } from "@skrei/proto/skrei/network/v1/explanation_pb.ts";
import { NetworkServiceExplainEgressResponseSchema } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { NetworkServiceExplainEgressResponse_NodeExplanation as NodeExplanation } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { defineCommand } from "../command.ts";
import { EXIT, ExitError } from "../exit-code.ts";
import { booleanFlag, text, valueFlag } from "../flags.ts";
import type { FlagValues } from "../flags.ts";
import { renderFields } from "../output/fields.ts";
import { formatOf, OUTPUT_FLAGS, printRecord } from "../output/format.ts";
import { advice } from "../output/render-error.ts";
import { answer } from "../output/terminal.ts";
import type { Output } from "../output/terminal.ts";
import { LIST_FLAGS, networkOfFlags } from "../run/network-flags.ts";

const FLAGS = {
  ...OUTPUT_FLAGS,
  quiet: booleanFlag("only the verdict: allowed, denied or unknown (the same as -o name)", { short: "q", isCommon: true }),
  job: valueFlag("JOB", "the job whose list counts: id, unique prefix or name", text, { isCommon: true }),
  ...LIST_FLAGS,
  node: valueFlag("NODE", "only this node: id, unique prefix or name", text, { isCommon: true }),
} as const;

export const netExplain = defineCommand({
  path: "net explain",
  summary: "Say whether a job may reach a URL, by which rule, or why not; nothing is sent.",
  args: [{ name: "url", summary: "http or https; without a scheme https is taken", isRequired: true }],
  flags: FLAGS,
  examples: [
    "skrei net explain https://api.example.com/v1 --job j-01ab",
    "skrei net explain api.example.com --network .example.com",
    "skrei net explain http://api.example.com --job my-job --node lab-1",
  ],
  exitCodes: { 1: "a node denies it", 3: "no such job or node, or several", 5: "a node could not be asked, and none denies it" },
  run: async ({ args: [url = ""], flags, session }) => {
    const response = await session.cluster.network.explainEgress({ url, nodeId: flags.node ?? "", ...whoseList(flags) });
    const name = verdictOf(response.nodes);
    const { stdout } = session.terminal;
    const record = { value: response, name, format: formatOf(flags), isWhole: true };
    if (!(await printRecord(session.terminal, NetworkServiceExplainEgressResponseSchema, record)))
      await answer(session.terminal, ...renderNodes(response.nodes, url, stdout));
    if (name !== "allowed") throw new ExitError(name === "denied" ? EXIT.jobFailed : EXIT.unreachable);
  },
});

function whoseList(flags: FlagValues<typeof FLAGS>): { jobId: string } | { network: ReturnType<typeof create<typeof NetworkSchema>> } {
  const triesList = flags.network.length + flags.net.length + flags.domain.length > 0;
  if (triesList === (flags.job !== undefined))
    throw new DomainError(
      "invalid",
      "FIELD_INVALID",
      triesList ? "A job and a list to try are both given." : "Nothing says whose list counts.",
      {
        hint: "Give --job JOB, or a list to try: --network api.example.com.",
      },
    );
  return flags.job === undefined ? { network: create(NetworkSchema, networkOfFlags(flags)) } : { jobId: flags.job };
}

type Verdict = "allowed" | "denied" | "unknown";

function verdictOf(nodes: readonly NodeExplanation[]): Verdict {
  if (nodes.some(({ explanation }) => explanation?.allowed === false)) return "denied";
  return nodes.length > 0 && nodes.every(({ explanation }) => explanation !== undefined) ? "allowed" : "unknown";
}

/** A block for the nodes that say the same. */
function renderNodes(nodes: readonly NodeExplanation[], url: string, output: Output): readonly string[] {
  if (nodes.length === 0) return [`no node is connected that could be asked about ${url}`];
  const blocks = new Map<string, { names: string[]; node: NodeExplanation }>();
  for (const node of nodes) {
    const { nodeName, nodeId, ...said } = node;
    const key = JSON.stringify([said.problem, said.explanation]);
    const block = blocks.get(key) ?? { names: [], node };
    block.names.push(nodeName || nodeId);
    blocks.set(key, block);
  }
  return [...blocks.values()].flatMap(({ names, node }, index) => [
    ...(index === 0 ? [] : [""]),
    ...renderBlock(names.join(", "), node, output),
  ]);
}

function renderBlock(names: string, { explanation, problem }: NodeExplanation, output: Output): readonly string[] {
  if (explanation === undefined) return renderFields([["verdict", `unknown on ${names}: ${problem}`]]);
  const [verdict = "", ...rest] = renderFields([
    ["verdict", `${explanation.allowed ? "allowed" : "denied"} on ${names}`],
    ["target", `${explanation.host}, port ${explanation.port}`],
    ["rules", rulesOf(explanation)],
    ["addresses", addressesOf(explanation)],
    ["why", whyOf(explanation)],
    ["fix", explanation.hint === "" ? "" : advice(explanation.hint)],
  ]);
  return [output.style(explanation.allowed ? "green" : "red", verdict), ...rest];
}

function rulesOf({ jobRule, nodeRule }: Explanation): string {
  const found = [jobRule === "" ? "" : `${jobRule} on the job's list`, nodeRule === "" ? "" : `${nodeRule} on the node's list`];
  return found.filter((rule) => rule !== "").join(", ");
}

function addressesOf({ addresses }: Explanation): string {
  return addresses.map(({ address, addressClass, allowed }) => `${address} (${addressClass}${allowed ? "" : ", denied"})`).join(", ");
}

function whyOf({ message, reason }: Explanation): string {
  return reason === "" ? message : `${message.replace(/\.$/u, "")} (${reason})`;
}
