import { GetDataStateResponseSchema, KeptDataSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { GetDataStateResponse, GetDataStateResponse_NodeData as NodeData } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { hasReason } from "@skrei/domain";
import { toCallError } from "../client/call-error.ts";
import { defineCommand } from "../command.ts";
import { type DataReference, parseDataReference } from "../data/data-reference.ts";
import { listEntries } from "../data/list-entries.ts";
import { openData } from "../data/open-data.ts";
import type { OpenData } from "../data/open-data.ts";
import { kindOf, endsOf } from "../data/kept-words.ts";
import { barOf, budgetOf, describeStore, freeOf, hitRateOf } from "../data/state-words.ts";
import { renderFields } from "../output/fields.ts";
import { type Format, formatOf, OUTPUT_FLAGS, printListing, printRecord } from "../output/format.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import { answer, say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import type { Session } from "../session.ts";

export const dataStat = defineCommand({
  path: "data stat",
  aliases: ["stats", "status", "show", "describe"],
  summary: "Show what the store and the nodes' caches hold, or what keeps some data.",
  args: [{ name: "what", summary: "a node, or CID[/PATH] or NAME[/PATH]; all when left out", completes: "data" }],
  flags: OUTPUT_FLAGS,
  examples: ["skrei data stat", "skrei data stat lab-1", "skrei data stat bafy…"],
  exitCodes: { 3: "no such node, content id or name" },
  run: async ({ args: [what], flags, session }) => {
    const format = formatOf(flags);
    const reference = what === undefined ? undefined : tryReference(what);
    if (reference !== undefined && ("cid" in reference.root || reference.path.length > 0)) return statData(session, reference, format);
    try {
      await statNodes(session, what ?? "", format);
    } catch (error) {
      // A name may be that of a node or that of a pin.
      if (reference === undefined || !hasReason(toCallError(error, session.settings), "NODE_NOT_FOUND")) throw error;
      await statData(session, reference, format);
    }
  },
});

/** Undefined for what can only be a node. */
function tryReference(text: string): DataReference | undefined {
  try {
    return parseDataReference(text);
  } catch {
    // The cluster says whether there is a node of that name.
    return undefined;
  }
}

async function statNodes(session: Session, nodeId: string, format: Format): Promise<void> {
  const { terminal } = session;
  const state = await session.cluster.data.getDataState({ nodeId }, { signal: session.signal });
  const record = { value: state, name: state.nodes.map((node) => node.nodeId).join("\n"), format, isWhole: true };
  if (await printRecord(terminal, GetDataStateResponseSchema, record)) return;
  if (nodeId === "") await answer(terminal, ...describeCluster(state), "");
  const hasProblem = state.nodes.some(({ problem }) => problem !== "");
  const columns = COLUMNS.filter(({ header, isWide }) => (format === "wide" || isWide !== true) && (hasProblem || header !== "PROBLEM"));
  await answer(terminal, ...renderTable({ rows: state.nodes, columns, output: terminal.stdout }));
  if (state.nodes.length === 0) await say(terminal, "no node is connected");
}

function describeCluster({ store }: GetDataStateResponse): readonly string[] {
  if (store === undefined) return renderFields([["store", "does not answer"]]);
  const bar = barOf(store);
  return renderFields([
    ["store", `${describeStore(store)}${bar === "" ? "" : `  ${bar}`}`],
    ["publishes to", store.targets.join(", ")],
  ]);
}

const COLUMNS: readonly Column<NodeData>[] = [
  { header: "NODE", value: ({ nodeName, nodeId }) => nodeName || nodeId },
  { header: "CACHE", value: ({ cache }) => (cache === undefined ? "-" : budgetOf(cache)), isRight: true },
  { header: "USED", value: ({ cache }) => (cache === undefined ? "-" : barOf(cache) || "-") },
  { header: "HITS", value: ({ cache }) => (cache === undefined ? "-" : hitRateOf(cache)), isRight: true },
  { header: "FREE", value: ({ cache }) => (cache === undefined ? "-" : formatBytes(Number(cache.freeBytes))), isRight: true },
  { header: "ENTRIES", value: ({ cache }) => (cache === undefined ? "-" : String(cache.entries)), isRight: true },
  { header: "IN USE", value: ({ cache }) => (cache === undefined ? "-" : String(cache.pinnedEntries)), isRight: true, isWide: true },
  {
    header: "MOVED",
    value: ({ cache }) => (cache === undefined ? "-" : formatBytes(Number(cache.movedBytes))),
    isRight: true,
    isWide: true,
  },
  {
    header: "NOT MOVED",
    value: ({ cache }) => (cache === undefined ? "-" : formatBytes(Number(cache.hitBytes))),
    isRight: true,
    isWide: true,
  },
  { header: "STORE", value: ({ store }) => (store === undefined ? "-" : `${budgetOf(store)}, ${freeOf(store)}`), isWide: true },
  { header: "NODE ID", value: ({ nodeId }) => nodeId, isWide: true },
  { header: "PROBLEM", value: ({ problem }) => problem, style: (cell, _row, output) => output.style("red", cell) },
];

async function statData(session: Session, reference: DataReference, format: Format): Promise<void> {
  const { terminal } = session;
  using opened = await openData(session, reference);
  if (format !== "table" && format !== "wide") {
    const { kept } = opened;
    return printListing(terminal, { schema: KeptDataSchema, records: kept, columns: [], nameOf: ({ cid }) => cid, format });
  }
  const nowMs = Date.now();
  await answer(
    terminal,
    ...renderFields([
      ["cid", opened.cid.toString()],
      ["kind", opened.kind],
      ["size", `${formatBytes(opened.sizeBytes)} (${opened.sizeBytes} bytes)`],
      ["entries", opened.kind === "folder" ? String(await countEntries(opened)) : ""],
      ["below", reference.path.length === 0 ? "" : `${opened.root}/${reference.path.join("/")}`],
      ...opened.kept.map(
        (kept) =>
          [`kept as ${kindOf(kept)}`, [kept.name, kept.jobId, endsOf(kept, nowMs)].filter((word) => word !== "").join(", ")] as const,
      ),
      ["use", `-i cid:${[opened.root, ...reference.path].join("/")}:/in`],
      ["files", `skrei data get ${[opened.root, ...reference.path].join("/")}`],
    ]),
  );
}

async function countEntries(opened: OpenData): Promise<number> {
  let count = 0;
  for await (const _ of listEntries(opened)) count += 1;
  return count;
}
