import { Command, Option } from "commander";
import type { CommanderError } from "commander";
import { DomainError } from "@skrei/domain";
import { GLOBAL_FLAGS } from "./command.ts";
import type { CommandDefinition } from "./command.ts";
import type { Flag, Flags } from "./flags.ts";
import { laterCommand } from "./later-commands.ts";
import { renderGroupHelp, renderHelp } from "./output/render-help.ts";
import { nearest } from "./parse/did-you-mean.ts";

/** Called with the command that the words name. */
type Dispatch = (definition: CommandDefinition, args: readonly string[], flags: Readonly<Record<string, unknown>>) => Promise<void>;

export interface ProgramOptions {
  readonly commands: readonly CommandDefinition[];
  readonly dispatch: Dispatch;
  writeOut(text: string): void;
}

/** Commander's tree of the table. It never exits the process and never writes errors by itself. */
export function createProgram({ commands, dispatch, writeOut }: ProgramOptions): Command {
  const root = group("skrei", commands, writeOut);
  const groups = new Map<string, Command>([["", root]]);
  for (const definition of commands) {
    const words = definition.path.split(" ");
    const name = words.at(-1) ?? "";
    const parentPath = words.slice(0, -1).join(" ");
    let parent = groups.get(parentPath);
    if (parent === undefined) {
      parent = group(
        parentPath,
        commands.filter(({ path }) => path.startsWith(`${parentPath} `)),
        writeOut,
      );
      groups.set(parentPath, parent);
      root.addCommand(parent);
    }
    parent.addCommand(leaf(name, definition, { dispatch, writeOut }), { hidden: definition.isHidden === true });
  }
  return root;
}

function group(path: string, commands: readonly CommandDefinition[], writeOut: (text: string) => void): Command {
  const name = path.split(" ").at(-1) ?? path;
  const command = base(name, writeOut);
  command.configureHelp({ formatHelp: () => renderGroupHelp(path, commands) });
  command.argument("[command...]").action((words: readonly string[]) => {
    const [word] = words;
    if (word === undefined) {
      writeOut(renderGroupHelp(path, commands));
      return;
    }
    throw unknownCommand(path, word, commands);
  });
  command.allowUnknownOption(false);
  return command;
}

function unknownCommand(path: string, word: string, commands: readonly CommandDefinition[]): DomainError {
  const prefix = path === "skrei" ? "" : `${path} `;
  const later = laterCommand(`${prefix}${word}`);
  if (later !== undefined) return later;
  const found = nearestCommand(path, word, commands);
  return new DomainError("invalid", "FIELD_INVALID", `There is no command "skrei ${prefix}${word}".`, {
    hint: found === undefined ? `Commands: skrei ${prefix}--help` : `Did you mean "skrei ${found}"?`,
  });
}

/** Verbs of other programs. */
const FOREIGN_VERBS: Readonly<Record<string, string>> = { ps: "job list", status: "job describe", kill: "job stop", nodes: "node list" };

/** The command of this group that is spelled nearest, or a verb that stands in another group. */
function nearestCommand(path: string, word: string, commands: readonly CommandDefinition[]): string | undefined {
  const prefix = path === "skrei" ? [] : path.split(" ");
  const shown = commands.filter(({ isHidden }) => isHidden !== true);
  if (prefix.length === 0) {
    const foreign = Object.hasOwn(FOREIGN_VERBS, word) ? FOREIGN_VERBS[word] : undefined;
    const verb = shown.find(
      (command) => command.path.includes(" ") && [command.path.split(" ")[1], ...(command.aliases ?? [])].includes(word),
    );
    if ((verb?.path ?? foreign) !== undefined) return verb?.path ?? foreign;
  }
  const words = shown.flatMap((command) => {
    const own = command.path.split(" ");
    return [own[prefix.length] ?? "", ...(own.length === prefix.length + 1 ? (command.aliases ?? []) : [])];
  });
  const found = nearest(word, [...new Set(words)]);
  return found === undefined ? undefined : [...prefix, found].join(" ");
}

function leaf(name: string, definition: CommandDefinition, { dispatch, writeOut }: Pick<ProgramOptions, "dispatch" | "writeOut">): Command {
  const flags: Flags = { ...GLOBAL_FLAGS, ...definition.flags };
  const command = base(name, writeOut)
    .description(definition.summary)
    .aliases([...(definition.aliases ?? [])]);
  command.configureHelp({ formatHelp: () => renderHelp(definition, flags) });
  for (const argument of definition.args) {
    const words = `${argument.name}${argument.isVariadic === true ? "..." : ""}`;
    command.argument(argument.isRequired === true ? `<${words}>` : `[${words}]`, argument.summary);
  }
  const options = Object.entries(flags).map(([long, flag]) => [long, toOption(long, flag)] as const);
  for (const [, option] of options) command.addOption(option);
  command.action(async () => {
    const given = command.opts<Record<string, unknown>>();
    const values = Object.fromEntries(options.map(([long, option]) => [long, valueOf(flags[long], given, option)]));
    await dispatch(definition, command.args, values);
  });
  return command;
}

function valueOf(flag: Flag | undefined, given: Readonly<Record<string, unknown>>, option: Option): unknown {
  const value = given[option.attributeName()];
  if (flag?.kind === "list") return value ?? [];
  if (flag?.kind !== "boolean") return value;
  return option.negate ? value === false : value === true;
}

function toOption(long: string, flag: Flag): Option {
  const words = `${flag.short === undefined ? "" : `-${flag.short}, `}--${long}`;
  if (flag.kind === "boolean") return new Option(words, flag.summary).hideHelp(flag.isHidden === true);
  const option = new Option(`${words} <${flag.metavar}>`, flag.summary).hideHelp(flag.isHidden === true);
  return option.argParser((text: string, previous: unknown) => {
    const value = parsed(long, flag, text);
    return flag.kind === "list" ? [...((previous as readonly unknown[] | undefined) ?? []), value] : value;
  });
}

/** The refusal of a parser, with the flag's name in front. */
function parsed(long: string, flag: Exclude<Flag, { kind: "boolean" }>, text: string): unknown {
  try {
    return flag.parse(text);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw new DomainError(error.kind, error.reason, `--${long}: ${error.message}`, { metadata: error.metadata, cause: error });
  }
}

function base(name: string, writeOut: (text: string) => void): Command {
  return new Command(name)
    .helpCommand(false)
    .helpOption("-h, --help", "this help")
    .exitOverride()
    .configureOutput({ writeOut, writeErr: () => undefined, outputError: () => undefined });
}

/** Commander's own refusals (unknown flag, missing argument) in our words. */
export function toUsageError(error: CommanderError): DomainError {
  const [, message = error.message, suggestion] = /^(?:error: )?(.*?)(?:\n\((.*)\))?$/su.exec(error.message) ?? [];
  return new DomainError("invalid", "FIELD_INVALID", `${message.charAt(0).toUpperCase()}${message.slice(1)}.`, {
    hint: suggestion === undefined ? "See the command with --help." : suggestion,
  });
}
