import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DomainError } from "@skrei/domain";
import { KeptDataSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { present } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { parseDataReference, parsePinName } from "../data/data-reference.ts";
import { findKept } from "../data/find-kept.ts";
import { endsOf } from "../data/kept-words.ts";
import { valueFlag } from "../flags.ts";
import { formatOf, OUTPUT_FLAGS, printRecord } from "../output/format.ts";
import { answer, say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { parseDuration } from "../parse/parse-duration.ts";

export const dataPin = defineCommand({
  path: "data pin",
  summary: "Keep data under a name, beyond the life of the job or upload it came from.",
  args: [
    { name: "data", summary: "CID of what is kept, such as a result's, or a name it has already", isRequired: true, completes: "data" },
  ],
  flags: {
    ...OUTPUT_FLAGS,
    name: valueFlag("NAME", "the name; required", parsePinName, { isCommon: true }),
    ttl: valueFlag("TIME", "how long, such as 30d; default for good. Pinning again moves the end", parseDuration, { isCommon: true }),
  },
  examples: ["skrei data pin bafy… --name corpus-2026", "skrei data pin bafy… --name corpus-2026 --ttl 30d"],
  exitCodes: { 2: "the name stands for other data", 3: "nothing of that content id or name is kept" },
  run: async ({ args: [data = ""], flags, session }) => {
    const { root, path } = parseDataReference(data);
    if (path.length > 0)
      throw new DomainError("invalid", "FIELD_INVALID", "Only a root can be pinned, not a path below one.", {
        hint: "Pin the root; jobs read parts of it with -i cid:CID/path:/in.",
      });
    if (flags.name === undefined)
      throw new DomainError("invalid", "FIELD_REQUIRED", "The pin has no name.", { hint: "Give one: --name corpus-2026." });
    const cid = "cid" in root ? root.cid : (await findKept(session, root)).cid;
    const timeToLive = flags.ttl === undefined ? {} : { timeToLive: durationFromMs(flags.ttl) };
    const pin = present((await session.cluster.data.pinData({ cid, name: flags.name, ...timeToLive })).data);
    const { terminal } = session;
    const format = formatOf(flags);
    if (await printRecord(terminal, KeptDataSchema, { value: pin, name: pin.cid, format })) return;
    await answer(terminal, pin.cid);
    const size = formatBytes(Number(pin.sizeBytes));
    await say(terminal, `  ✓ kept      ${pin.name}: ${size}, ${endsOf(pin, Date.now())}`, `  end it     skrei data rm ${pin.name}`);
  },
});
