import { GLOBAL_FLAGS } from "./command.ts";
import type { CommandDefinition } from "./command.ts";
import type { Flag, Flags } from "./flags.ts";

/**
 * The words as commander shall read them: `help COMMAND` is `COMMAND --help`, global flags may stand before the command, and what
 * follows the image is the job's own command, as with `docker run`, whether `--` says so or not.
 */
export function arrangeWords(words: readonly string[], commands: readonly CommandDefinition[]): readonly string[] {
  const [first, ...others] = words;
  if (first === "help") return arrangeWords([...others, "--help"], commands);
  if (first === "--version" || first === "-V") return ["version", ...others];
  const { path, flags, rest } = splitPath(words, commands);
  const definition = commands.find((command) => isNamed(command, path));
  return [...path, ...flags, ...(definition === undefined ? rest : withValues(withSeparator(rest, definition), definition))];
}

/** `--download` becomes `--download=`, which commander does not take the next word for. */
function withValues(words: readonly string[], { flags }: CommandDefinition): readonly string[] {
  const at = words.indexOf("--");
  const end = at === -1 ? words.length : at;
  return words.map((word, index) => (index < end && word.startsWith("--") && isOptional(flags, word.slice(2)) ? `${word}=` : word));
}

function isOptional(flags: Flags, name: string): boolean {
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  return flag?.kind === "value" && flag.isOptional === true;
}

/** Flags of ours that stand after the image, where they are words of the task; none when `--` says that this is meant. */
export function flagsOfTask(words: readonly string[], commands: readonly CommandDefinition[]): readonly string[] {
  const { path, rest } = splitPath(words, commands);
  const definition = commands.find((command) => isNamed(command, path));
  if (definition === undefined || rest.includes("--")) return [];
  const arranged = withSeparator(rest, definition);
  const at = arranged.indexOf("--");
  if (at === -1) return [];
  const names = arranged.slice(at + 1).flatMap((word) => /^--([a-z][a-z-]*)(?:=|$)/u.exec(word)?.[1] ?? []);
  return [...new Set(names)].filter((name) => Object.hasOwn(definition.flags, name)).map((name) => `--${name}`);
}

/** The path of the command that the words name, if one of these is meant. */
export function namedPath(words: readonly string[], commands: readonly CommandName[]): string | undefined {
  const { path } = splitPath(words[0] === "help" ? words.slice(1) : words, commands);
  return commands.find((command) => isNamed(command, path))?.path;
}

type CommandName = Pick<CommandDefinition, "path" | "aliases">;

interface Split {
  readonly path: readonly string[];
  /** Global flags that stood before or inside the path, with their values. */
  readonly flags: readonly string[];
  readonly rest: readonly string[];
}

function splitPath(words: readonly string[], commands: readonly CommandName[]): Split {
  const path: string[] = [];
  const flags: string[] = [];
  let at = 0;
  while (at < words.length && !commands.some((command) => isNamed(command, path))) {
    const word = words[at] ?? "";
    if (word === "--") break;
    const taken = word.startsWith("-") ? wordsOfFlag(word, GLOBAL_FLAGS) : 1;
    if (taken === 0) break;
    (word.startsWith("-") ? flags : path).push(...words.slice(at, at + taken));
    at += taken;
  }
  return { path, flags, rest: words.slice(at) };
}

function isNamed({ path, aliases = [] }: CommandName, words: readonly string[]): boolean {
  const own = path.split(" ");
  if (own.length !== words.length) return false;
  const last = words.at(-1) ?? "";
  return own.slice(0, -1).every((word, index) => word === words[index]) && [own.at(-1), ...aliases].includes(last);
}

/** Puts `--` before the first word of a trailing list of words. */
function withSeparator(rest: readonly string[], definition: CommandDefinition): readonly string[] {
  const listAt = definition.args.findIndex(({ isVariadic }) => isVariadic === true);
  if (listAt < 1) return rest;
  const flags = { ...GLOBAL_FLAGS, ...definition.flags };
  let positionals = 0;
  for (let at = 0; at < rest.length;) {
    const word = rest[at] ?? "";
    if (word === "--") return rest;
    const isFlag = word.startsWith("-") && word !== "-";
    if (!isFlag && positionals === listAt) return [...rest.slice(0, at), "--", ...rest.slice(at)];
    if (!isFlag) positionals++;
    at += isFlag ? Math.max(1, wordsOfFlag(word, flags)) : 1;
  }
  return rest;
}

/** How many words a flag takes with its value; 0 for a flag that is not in the table. */
function wordsOfFlag(word: string, flags: Flags): number {
  if (word.startsWith("--")) {
    const [name = "", value] = word.slice(2).split("=", 2);
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (flag === undefined) return 0;
    return flag.kind === "boolean" || value !== undefined || isOptional(flags, name) ? 1 : 2;
  }
  return wordsOfLetters(word.slice(1), Object.values(flags));
}

/** `-dq`, `-e K=V`, `-eK=V`. */
function wordsOfLetters(letters: string, flags: readonly Flag[]): number {
  for (let index = 0; index < letters.length; index++) {
    const flag = flags.find(({ short }) => short === letters[index]);
    if (flag === undefined) return 0;
    if (flag.kind !== "boolean") return index === letters.length - 1 ? 2 : 1;
  }
  return 1;
}
