import { CommanderError } from "commander";
import { DomainError } from "@skrei/domain";
import { arrangeWords, flagsOfTask } from "./arrange-words.ts";
import { toCallError } from "./client/call-error.ts";
import { createCluster } from "./client/cluster.ts";
import { resolveSettings } from "./client/settings.ts";
import type { ServerFlags, ServerSettings } from "./client/settings.ts";
import type { CommandDefinition } from "./command.ts";
import { loadNamed } from "./commands/index.ts";
import { EXIT, ExitError, exitCodeOf } from "./exit-code.ts";
import { refuseTwoForms } from "./output/format.ts";
import { renderError } from "./output/render-error.ts";
import { createOutput, say } from "./output/terminal.ts";
import type { Terminal } from "./output/terminal.ts";
import { createProgram, toUsageError } from "./program.ts";

/** A second Ctrl-C within this time ends the program at once. */
const SECOND_INTERRUPT_MS = 2_000;

/** Runs one command line and sets the process' exit code. */
export async function main(words: readonly string[]): Promise<void> {
  // oxlint-disable-next-line node/no-process-env -- This program's one read of the environment; everything else gets it as a value.
  const { env } = process;
  if (words.includes("--no-color")) env["NO_COLOR"] = "1";
  const terminal: Terminal = { stdout: createOutput(process.stdout), stderr: createOutput(process.stderr), env, readStdin };
  // A reader that has left, such as `head`, is no error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.bug));
  }
  process.exitCode = await runCommandLine(words, { terminal, signal: interruptSignal() });
}

interface CommandLineContext {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** The exit code of one command line. */
export async function runCommandLine(words: readonly string[], { terminal, signal }: CommandLineContext): Promise<number> {
  const commands = await loadNamed(words);
  let settings: ServerSettings | undefined;
  let isVerbose = false;
  const dispatch = async (
    definition: CommandDefinition,
    args: readonly string[],
    flags: Readonly<Record<string, unknown>>,
  ): Promise<void> => {
    isVerbose = flags["verbose"] === true;
    refuseTwoForms(flags);
    settings = await resolveSettings(flags as unknown as ServerFlags, terminal.env);
    if (flags["quiet"] !== true) await noteTaskFlags(terminal, flagsOfTask(words, commands));
    const cluster = createCluster(settings, (line) => void say(terminal, line));
    await definition.run({ args, flags: flags as never, session: { terminal, settings, cluster, signal } });
  };
  let help = "";
  const program = createProgram({ commands, dispatch, writeOut: (text) => (help += text) });
  try {
    await program.parseAsync([...arrangeWords(words, commands)], { from: "user" });
    if (help !== "") await terminal.stdout.write(help);
    return EXIT.done;
  } catch (error) {
    if (help !== "") await terminal.stdout.write(help);
    return await report(error, { terminal, settings, isVerbose, signal });
  }
}

/** Whoever meant them for us is told; whoever did not can say so with `--`. */
async function noteTaskFlags(terminal: Terminal, flags: readonly string[]): Promise<void> {
  if (flags.length === 0) return;
  await say(
    terminal,
    `note: ${flags.join(", ")} went to the task, for flags of skrei stand before the image; a -- before the command says it is meant`,
  );
}

interface ReportContext extends CommandLineContext {
  readonly settings: ServerSettings | undefined;
  readonly isVerbose: boolean;
}

async function report(error: unknown, { terminal, settings, isVerbose, signal }: ReportContext): Promise<number> {
  if (error instanceof ExitError) return error.code;
  if (signal.aborted) return EXIT.interrupted;
  // Commander ends with one after it has printed help.
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
  const known = toKnownError(error, settings);
  await say(terminal, ...renderError(known, terminal.stderr));
  if (isVerbose && error instanceof Error && error.stack !== undefined) await say(terminal, error.stack);
  return exitCodeOf(known);
}

function toKnownError(error: unknown, settings: ServerSettings | undefined): DomainError {
  if (error instanceof CommanderError) return toUsageError(error);
  return toCallError(error, settings) ?? toMachineError(error) ?? toBug(error);
}

/** What this machine refuses is no bug of ours. */
function toMachineError(error: unknown): DomainError | undefined {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return undefined;
  const what = MACHINE_REFUSALS[String(error.code)];
  if (what === undefined) return undefined;
  const path = "path" in error ? ` at ${String(error.path)}` : "";
  return new DomainError("invalid", "FIELD_INVALID", `This machine says${path}: ${what}.`, { cause: error });
}

const MACHINE_REFUSALS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "you may not do that here",
  EPERM: "you may not do that here",
  ENOENT: "it is not there, or not any more",
  ENOTDIR: "this is no folder",
  EISDIR: "this is a folder",
  EEXIST: "it exists already",
  ENAMETOOLONG: "the path is too long",
  EMFILE: "too many files are open",
};

function toBug(error: unknown): DomainError {
  return new DomainError("unavailable", "INTERNAL_ERROR", `bug: ${error instanceof Error ? error.message : String(error)}`, {
    hint: "Please report it, with the output of the same command and --verbose.",
  });
}

function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  let interruptedAt = Number.NEGATIVE_INFINITY;
  const onInterrupt = (): void => {
    const now = performance.now();
    if (now - interruptedAt < SECOND_INTERRUPT_MS) process.exit(EXIT.interrupted);
    interruptedAt = now;
    controller.abort(new DOMException("interrupted", "AbortError"));
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  return controller.signal;
}

async function readStdin(): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}
