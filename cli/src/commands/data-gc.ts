import { CollectGarbageResponseSchema } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { present } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag } from "../flags.ts";
import { countOf } from "../output/count-of.ts";
import { formatOf, OUTPUT_FLAGS, printRecord } from "../output/format.ts";
import { answer, say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";

export const dataGc = defineCommand({
  path: "data gc",
  summary: "Free what nothing keeps any more in the cluster's store.",
  args: [],
  flags: { ...OUTPUT_FLAGS, "dry-run": booleanFlag("only say what would go", { isCommon: true }) },
  examples: ["skrei data gc --dry-run", "skrei data gc"],
  run: async ({ flags, session }) => {
    const isDryRun = flags["dry-run"];
    const collected = present((await session.cluster.data.collectDataGarbage({ dryRun: isDryRun })).collected);
    const { terminal } = session;
    const record = { value: collected, name: String(collected.sizeBytes), format: formatOf(flags), isWhole: true };
    if (await printRecord(terminal, CollectGarbageResponseSchema, record)) return;
    const { pins, blocks, sizeBytes } = collected;
    const size = formatBytes(Number(sizeBytes));
    await answer(terminal, `${isDryRun ? "would free" : "freed"} ${size}: ${countOf(blocks, "block")}, ${countOf(pins, "pin")} that ended`);
    if (blocks === 0n)
      await say(terminal, "blocks are kept for a day after they were put (unpinnedBlockTtlMs), so that an upload under way loses none");
  },
});
