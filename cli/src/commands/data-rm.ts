import { DomainError } from "@skrei/domain";
import { KeptDataSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { defineCommand } from "../command.ts";
import { parseDataReference } from "../data/data-reference.ts";
import { keptColumns } from "../data/kept-words.ts";
import { booleanFlag } from "../flags.ts";
import { countOf } from "../output/count-of.ts";
import { formatOf, OUTPUT_FLAGS, printListing } from "../output/format.ts";
import { say } from "../output/terminal.ts";

export const dataRm = defineCommand({
  path: "data rm",
  aliases: ["remove", "delete", "unpin"],
  summary: "End the named pin of data, or its upload and all its pins; never a job's result.",
  args: [{ name: "data", summary: "a name, or a CID for all that keeps it", isRequired: true, completes: "data" }],
  flags: { ...OUTPUT_FLAGS, "dry-run": booleanFlag("only say what would end", { isCommon: true }) },
  examples: ["skrei data rm corpus-2026", "skrei data rm bafy… --dry-run"],
  exitCodes: { 3: "nothing of that content id or name is kept", 8: "a job that has not ended reads it" },
  run: async ({ args: [data = ""], flags, session }) => {
    const { root, path } = parseDataReference(data);
    if (path.length > 0)
      throw new DomainError("invalid", "FIELD_INVALID", "Only what keeps a root can be ended, not a path below one.", {
        hint: "Give the name or the content id alone.",
      });
    const isDryRun = flags["dry-run"];
    const { removed } = await session.cluster.data.removeData({ data: "cid" in root ? root.cid : root.name, dryRun: isDryRun });
    const format = formatOf(flags);
    await printListing(session.terminal, {
      schema: KeptDataSchema,
      records: removed,
      columns: keptColumns(Date.now()),
      nameOf: ({ cid }) => cid,
      format,
    });
    if (format !== "table" && format !== "wide") return;
    const what = removed.length === 0 ? "nothing" : countOf(removed.length, "entry").replace("entrys", "entries");
    await say(
      session.terminal,
      isDryRun ? `would end ${what}; nothing was changed` : `  ✓ ended     ${what}; skrei data gc frees the bytes that nothing needs now`,
    );
  },
});
