import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseExecutionId } from "@skrei/domain";
import { OutputLogFolder } from "../output-logs.ts";

/** Writes lines until it is killed, and says after each how many were taken. */
const [folder = "", id = ""] = process.argv.slice(2);
const executionId = parseExecutionId(id);
if (executionId === undefined) throw new Error(`not an execution id: ${id}`);
const rawFolder = join(folder, "result");
await mkdir(rawFolder, { recursive: true });
const log = await new OutputLogFolder(join(folder, "logs")).open(executionId, { rawFolder, isFresh: true });
for (let count = 1; ; count++) {
  await log.write("stdout", Buffer.from(`line ${count}\n`), count);
  process.send?.(count);
}
