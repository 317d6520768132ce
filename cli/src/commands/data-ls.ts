import { KeptDataSchema, KeptData_Kind } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { DomainError } from "@skrei/domain";
import { defineCommand } from "../command.ts";
import { parseDataReference } from "../data/data-reference.ts";
import { keptColumns, KIND_WORDS } from "../data/kept-words.ts";
import type { KindWord } from "../data/kept-words.ts";
import { listEntries } from "../data/list-entries.ts";
import type { DataEntry } from "../data/list-entries.ts";
import { openData } from "../data/open-data.ts";
import { choiceFlag, text, valueFlag } from "../flags.ts";
import { formatOf, OUTPUT_FLAGS, printListing, printRows } from "../output/format.ts";
import type { Format } from "../output/format.ts";
import { countOf } from "../output/count-of.ts";
import type { Column } from "../output/table.ts";
import { say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import type { Session } from "../session.ts";

const KINDS = Object.keys(KIND_WORDS) as readonly KindWord[];

export const dataLs = defineCommand({
  path: "data ls",
  aliases: ["list"],
  summary: "List what the cluster keeps, or what is in one of its folders.",
  args: [{ name: "data", summary: "CID[/PATH] or NAME[/PATH]: lists that folder, every block checked", completes: "data" }],
  flags: {
    ...OUTPUT_FLAGS,
    kind: choiceFlag(KINDS, "only this kind; without it all but manifests", { isCommon: true }),
    limit: valueFlag("N", "at most so many; default 100", integerBetween(1, 1_000), { isCommon: true }),
    "page-token": valueFlag("TOKEN", "where the last page ended", text),
  },
  examples: ["skrei data ls", "skrei data ls --kind pin -o wide", "skrei data ls bafy…/outputs", "skrei data ls corpus/2026"],
  exitCodes: { 3: "nothing of that content id or name is kept" },
  run: async ({ args: [data], flags, session }) => {
    const format = formatOf(flags);
    if (data === undefined) return listKept(session, { format, kind: flags.kind, limit: flags.limit, pageToken: flags["page-token"] });
    const stray = (["kind", "limit", "page-token"] as const).find((name) => flags[name] !== undefined);
    if (stray !== undefined)
      throw new DomainError("invalid", "FIELD_INVALID", `--${stray} is for the list of what is kept, not for a folder.`, {
        hint: "Leave it out.",
      });
    await listFolder(session, data, format);
  },
});

interface ListQuery {
  readonly format: Format;
  readonly kind: KindWord | undefined;
  readonly limit: number | undefined;
  readonly pageToken: string | undefined;
}

async function listKept(session: Session, { format, kind, limit = 100, pageToken = "" }: ListQuery): Promise<void> {
  const kindNumber = kind === undefined ? KeptData_Kind.UNSPECIFIED : KIND_WORDS[kind];
  const page = await session.cluster.data.listData({ kind: kindNumber, pageSize: limit, pageToken });
  await printListing(session.terminal, {
    schema: KeptDataSchema,
    records: page.data,
    columns: keptColumns(Date.now()),
    nameOf: ({ cid }) => cid,
    format,
  });
  if (page.nextPageToken !== "") {
    const kindFlag = kind === undefined ? "" : ` --kind ${kind}`;
    await say(
      session.terminal,
      `${page.data.length} shown; next: skrei data ls${kindFlag} --limit ${limit} --page-token ${page.nextPageToken}`,
    );
  } else if (format === "table" || format === "wide")
    await say(
      session.terminal,
      page.data.length === 0 ? "nothing is kept; try: skrei data put ./folder" : footer(page.data.length, pageToken),
    );
}

function footer(shown: number, pageToken: string): string {
  return pageToken === "" ? `${shown} in all` : `${shown} shown, the last`;
}

async function listFolder(session: Session, data: string, format: Format): Promise<void> {
  using opened = await openData(session, parseDataReference(data));
  const entries: DataEntry[] = [];
  for await (const entry of listEntries(opened)) entries.push(entry);
  await printRows(session.terminal, {
    rows: entries,
    columns: ENTRY_COLUMNS,
    nameOf: ({ name }) => name,
    jsonOf: ({ name, kind, sizeBytes, cid }) => ({ name, kind, sizeBytes, cid }),
    format,
  });
  if (format === "table" || format === "wide")
    await say(session.terminal, entries.length === 0 ? "the folder is empty" : countOf(entries.length, "item"));
}

const ENTRY_COLUMNS: readonly Column<DataEntry>[] = [
  { header: "KIND", value: ({ kind }) => kind },
  { header: "SIZE", value: ({ sizeBytes }) => formatBytes(sizeBytes), isRight: true },
  { header: "NAME", value: ({ name, kind }) => (kind === "folder" ? `${name}/` : name) },
  { header: "CID", value: ({ cid }) => cid, isWide: true },
];
