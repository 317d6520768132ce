import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DomainError } from "@skrei/domain";
import { KeptData_Kind } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { KeptData } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { present } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { parsePinName } from "../data/data-reference.ts";
import { listKept } from "../data/find-kept.ts";
import { endsOf } from "../data/kept-words.ts";
import { booleanFlag, choiceFlag, valueFlag } from "../flags.ts";
import { answer, say } from "../output/terminal.ts";
import { parseDuration } from "../parse/parse-duration.ts";
import type { Session } from "../session.ts";
import { describeUpload, putPath } from "../transfer/upload.ts";

export const dataPut = defineCommand({
  path: "data put",
  summary: "Put a file or folder into the cluster's store; only what it lacks is sent.",
  args: [{ name: "path", summary: "a file or folder of this machine", isRequired: true, completes: "file" }],
  flags: {
    name: valueFlag("NAME", "keep it under this name; without one 7d, and while jobs read it", parsePinName, { isCommon: true }),
    ttl: valueFlag("TIME", "how long the name keeps it, such as 30d; default for good", parseDuration, { isCommon: true }),
    quiet: booleanFlag("only the content id", { short: "q", isCommon: true }),
    format: choiceFlag(["table", "json"], "form of the answer", { short: "o" }),
  },
  examples: [
    "skrei data put ./corpus",
    "skrei data put ./corpus --name corpus-2026",
    "skrei run -i cid:$(skrei data put -q ./corpus):/in alpine ls /in",
  ],
  exitCodes: { 2: "nothing is there, or the name stands for other data", 5: "the content store does not answer" },
  run: async ({ args: [path = ""], flags, session }) => {
    const { terminal } = session;
    const isJson = flags.format === "json";
    const isQuiet = flags.quiet || isJson;
    const { name, ttl } = flags;
    if (ttl !== undefined && name === undefined) throw ttlWithoutName();
    const named = resolve(path);
    // A link that is named stands for what it leads to; a link inside a folder is put as it is.
    const put = await putPath(session, await realpath(named).catch(() => named), { isQuiet });
    const kept = name === undefined ? await uploadOf(session, put.cid) : await pin(session, { cid: put.cid, name, ttl });
    if (isJson) return answer(terminal, JSON.stringify({ path, ...put, ...(name !== undefined && { name }) }, null, 2));
    if (!flags.quiet)
      await say(
        terminal,
        `  ✓ put       ${describeUpload(path, put)}`,
        `  use        -i cid:${put.cid}:/in`,
        ...(kept === undefined ? [] : [describeEnd(kept)]),
      );
    await answer(terminal, put.cid);
  },
});

function ttlWithoutName(): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", "--ttl goes with --name: without one the cluster says how long an upload is kept.", {
    hint: "Add --name NAME, or leave --ttl out: it is kept 7d, and as long as jobs read it.",
  });
}

async function pin(
  session: Session,
  given: { readonly cid: string; readonly name: string; readonly ttl: number | undefined },
): Promise<KeptData> {
  const { cid, name, ttl } = given;
  return present((await session.cluster.data.pinData({ cid, name, ...(ttl !== undefined && { timeToLive: durationFromMs(ttl) }) })).data);
}

async function uploadOf(session: Session, cid: string): Promise<KeptData | undefined> {
  return (await listKept(session, { cid, kind: KeptData_Kind.UPLOAD })).at(0);
}

function describeEnd(kept: KeptData): string {
  const ends = endsOf(kept, Date.now());
  if (kept.kind === KeptData_Kind.PIN) return `  kept       as ${kept.name}, ${ends}`;
  return `  kept       ${ends}, later while jobs read it; for longer: skrei data pin ${kept.cid} --name NAME`;
}
