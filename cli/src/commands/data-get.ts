import { join } from "node:path";
import { isSafeName } from "@skrei/unixfs/read-folder.ts";
import { defineCommand } from "../command.ts";
import { parseDataReference } from "../data/data-reference.ts";
import { openData } from "../data/open-data.ts";
import type { OpenData } from "../data/open-data.ts";
import { booleanFlag, choiceFlag, text, valueFlag } from "../flags.ts";
import { answer } from "../output/terminal.ts";
import { downloadTrees } from "../transfer/get-results.ts";
import { verifyAndTell } from "../transfer/tell-differences.ts";

export const dataGet = defineCommand({
  path: "data get",
  summary: "Download kept data; every byte is checked against its content id.",
  args: [{ name: "data", summary: "CID[/PATH] or NAME[/PATH]", isRequired: true, completes: "data" }],
  flags: {
    to: valueFlag("DIR", "where to; default ./NAME or ./CID", text, { isCommon: true }),
    verify: booleanFlag("compare what is there, download nothing", { isCommon: true }),
    overwrite: booleanFlag("replace what differs", { isCommon: true }),
    force: booleanFlag("the same as --overwrite", { isHidden: true }),
    quiet: booleanFlag("nothing on stderr but errors", { short: "q" }),
    format: choiceFlag(["table", "json"], "form of the answer", { short: "o" }),
  },
  examples: ["skrei data get corpus-2026 --to ./corpus", "skrei data get bafy…/outputs/model", "skrei data get bafy… --to ./out --verify"],
  exitCodes: {
    1: "bytes do not match their content id, or --verify found a difference",
    3: "nothing of that content id, name or path is kept",
    5: "the content store does not answer",
    8: "other files are there already, the disk refuses, or another download writes there",
  },
  run: async ({ args: [data = ""], flags, session }) => {
    using opened = await openData(session, parseDataReference(data), { isQuiet: flags.quiet });
    const { target, place, shown } = placeOf(opened, flags.to);
    const trees = [{ source: opened.source, root: opened.cid, place, sizeBytes: opened.sizeBytes }];
    const isJson = flags.format === "json";
    const about = { cid: opened.cid.toString(), to: shown };
    if (flags.verify) {
      const repair = `skrei data get ${data}${flags.to === undefined ? "" : ` --to ${flags.to}`} --overwrite`;
      return verifyAndTell(session, { trees, folders: [] }, { to: target, about, isJson, repair });
    }
    const isForced = flags.overwrite || flags.force;
    const got = await downloadTrees(session, trees, { to: target, isForced, isQuiet: flags.quiet || isJson });
    await answer(session.terminal, isJson ? JSON.stringify({ ...about, ...got }, null, 2) : shown);
  },
});

/** A folder becomes the target; a file or link goes into it, or beside us when no target is named. */
function placeOf({ kind, name, cid }: OpenData, to: string | undefined): { target: string; place: readonly string[]; shown: string } {
  const own = isSafeName(name) ? name : cid.toString();
  if (kind === "folder") return { target: to ?? `./${own}`, place: [], shown: to ?? `./${own}` };
  return { target: to ?? ".", place: [own], shown: to === undefined ? `./${own}` : join(to, own) };
}
