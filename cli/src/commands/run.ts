import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { DomainError } from "@skrei/domain";
import { defineCommand } from "../command.ts";
import { text, valueFlag } from "../flags.ts";
import type { FlagValues } from "../flags.ts";
import type { JobDraft } from "../job-file/job-draft.ts";
import { readJobFile } from "../job-file/read-job-file.ts";
import { cleanLine } from "../output/clean-text.ts";
import { say } from "../output/terminal.ts";
import { applyFlags } from "../run/apply-flags.ts";
import { draftFromFlags } from "../run/draft-from-flags.ts";
import { findExample } from "../run/find-example.ts";
import { FILE_FLAG, FOLLOW_FLAGS, JOB_FLAGS } from "../run/job-flags.ts";
import { folderOf } from "../run/resolve-draft.ts";
import { runJob } from "../run/run-job.ts";
import type { Session } from "../session.ts";
import { dockerEngine, wasmDraft } from "./engine-drafts.ts";

export const RUN_EXIT_CODES = {
  1: "the job failed",
  2: "the job or the command line has a mistake",
  5: "no cluster answers",
  6: "no node can run it as the cluster stands",
  7: "stopped waiting, the job goes on",
  130: "left with Ctrl-C, the job goes on",
} as const;

export const run = defineCommand({
  path: "run",
  summary: "Run a job and show its output here: an image, a WASM module or a job file.",
  args: [
    { name: "image", summary: "an image, or a .wasm file of this machine", completes: "file" },
    { name: "command", summary: "what runs in it", isVariadic: true },
  ],
  flags: {
    ...JOB_FLAGS,
    ...FOLLOW_FLAGS,
    ...FILE_FLAG,
    example: valueFlag("NAME", "one of the examples, such as wordcount", text, { isCommon: true }),
  },
  examples: [
    "skrei run busybox -- echo hello",
    "skrei run hello.wasm -- --name you",
    "skrei run -f job.yaml --get ./out",
    "skrei run --example wordcount",
  ],
  exitCodes: RUN_EXIT_CODES,
  run: async ({ args, flags, session }) => {
    const [image, ...command] = args;
    const given = [image, flags.file, flags.example].filter((value) => value !== undefined);
    if (given.length !== 1) {
      throw new DomainError(
        "invalid",
        "FIELD_INVALID",
        given.length === 0 ? "There is nothing to run." : "Give one of: an image, --file and --example.",
        { hint: "skrei run busybox -- echo hello, or skrei run -f job.yaml." },
      );
    }
    if (flags.file !== undefined) return runFile(session, flags.file, flags);
    if (flags.example !== undefined) return runFile(session, findExample(flags.example), flags);
    if (image === undefined) return;
    refuseJobFile(image);
    const isModule = image.endsWith(".wasm");
    const draft = isModule
      ? wasmDraft(flags, { module: image, entrypoint: undefined, parameters: command })
      : draftFromFlags(flags, dockerEngine({ image, parameters: command }));
    await runJob({ session, draft, folder: process.cwd(), flags });
  },
});

/** Submits a job file, with the flags over it. */
export async function runFile(session: Session, file: string, flags: FlagValues<typeof JOB_FLAGS & typeof FOLLOW_FLAGS>): Promise<void> {
  const { draft, folder } = await loadJobFile(session, file, { isQuiet: flags.quiet });
  await runJob({ session, draft: applyFlags(draft, flags), folder, flags });
}

/** The job of a file; what was changed to make it fit is said. */
export async function loadJobFile(
  session: Session,
  file: string,
  { isQuiet = false }: { readonly isQuiet?: boolean } = {},
): Promise<{ draft: JobDraft; fileName: string; folder: string }> {
  const { text: content, fileName } = await readJobText(session, file);
  const draft = readJobFile({ text: content, fileName });
  if (!isQuiet) await say(session.terminal, ...(draft.report?.notes ?? []).map((note) => `note: ${cleanLine(note)}`));
  return { draft, fileName, folder: file === "-" ? process.cwd() : folderOf(file) };
}

async function readJobText(session: Session, file: string): Promise<{ text: string; fileName: string }> {
  if (file === "-") return { text: await session.terminal.readStdin(), fileName: "stdin" };
  try {
    return { text: await readFile(file, "utf8"), fileName: file };
  } catch (cause) {
    throw new DomainError("invalid", "FIELD_INVALID", `The job file ${file} cannot be read.`, {
      cause,
      hint: "Check the path; - reads the job from stdin.",
    });
  }
}

/** The job file of a command that takes it as an argument or with `-f`; stdin when neither is given. */
export function fileArgument(args: readonly string[], flags: FlagValues<typeof FILE_FLAG>): string {
  const [file] = args;
  if (file !== undefined && flags.file !== undefined)
    throw new DomainError("invalid", "FIELD_INVALID", `Two job files are given: ${file} and ${flags.file}.`, { hint: "Give one." });
  return file ?? flags.file ?? "-";
}

function refuseJobFile(image: string): void {
  if (!/\.(?:ya?ml|json)$/iu.test(image) || !existsSync(image)) return;
  throw new DomainError("invalid", "FIELD_INVALID", `"${image}" is a file, not an image.`, { hint: `skrei run -f ${image}` });
}
