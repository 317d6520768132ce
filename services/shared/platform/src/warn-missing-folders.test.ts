import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Logger, silentLogger } from "./logger.ts";
import { warnMissingFolders } from "./warn-missing-folders.ts";

test("each folder of a setting that is not there is in the log, with the setting", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skrei-folders-"));
  onTestFinished(async () => await rm(folder, { recursive: true }));
  const file = join(folder, "file");
  await writeFile(file, "");
  const lines: unknown[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields, message) => lines.push({ ...fields, message }) };
  await warnMissingFolders(logger, "publishFolders", [folder, join(folder, "missing"), file]);
  expect(lines).toEqual([
    {
      event: "config.folderMissing",
      path: join(folder, "missing"),
      source: "publishFolders",
      message: "a folder of the settings is not there",
    },
  ]);
});
