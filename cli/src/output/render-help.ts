import type { CommandDefinition } from "../command.ts";
import type { Flag, Flags } from "../flags.ts";

const COLUMNS = 80;
const NAME_COLUMNS_MAX = 28;

/** Summary, examples first, then how to call it, common flags, the rest. At most 80 columns. */
export function renderHelp(definition: CommandDefinition, flags: Flags): string {
  const usage = ["skrei", definition.path, "[flags]", ...definition.args.map(describeArgument)];
  const shown = Object.entries(flags).filter(([, flag]) => flag.isHidden !== true);
  const common = shown.filter(([, flag]) => flag.isCommon === true);
  const rest = shown.filter(([, flag]) => flag.isCommon !== true);
  return [
    `${definition.summary}`,
    "",
    ...definition.examples.map((example) => `  ${example}`),
    "",
    `Usage: ${usage.join(" ")}`,
    ...section(
      "Arguments",
      definition.args.map(({ name, summary }) => [name, summary]),
    ),
    ...section("Flags", common.map(describeFlag)),
    ...section(common.length === 0 ? "Flags" : "More flags", rest.map(describeFlag)),
    ...section(
      "Exit codes",
      Object.entries(definition.exitCodes ?? {}).map(([code, meaning]) => [code, meaning]),
    ),
    "",
  ].join("\n");
}

function describeArgument({ name, isRequired, isVariadic }: CommandDefinition["args"][number]): string {
  const word = `${name.toUpperCase()}${isVariadic === true ? "…" : ""}`;
  return isRequired === true ? word : `[${word}]`;
}

/** The commands of a group, or of the whole program. */
export function renderGroupHelp(path: string, commands: readonly CommandDefinition[]): string {
  const shown = commands.filter(({ isHidden }) => isHidden !== true);
  if (path !== "skrei")
    return [`skrei ${path}: one of`, "", ...rows(shown.map((command) => [`skrei ${command.path}`, command.summary])), ""].join("\n");
  const groups = new Map<string, string[]>();
  for (const { path: words } of shown) {
    const [first = "", second] = words.split(" ");
    groups.set(first, [...(groups.get(first) ?? []), ...(second === undefined ? [] : [second])]);
  }
  const summaries = new Map(shown.map((command) => [command.path, command.summary]));
  return [
    "skrei runs jobs (containers and WASM) on the machines of a private cluster.",
    "",
    "  skrei dev                               a cluster on this machine",
    "  skrei run busybox -- echo hello         a job, its output here",
    "  skrei run -f job.yaml                   a job from a file",
    "",
    ...rows([...groups].map(([name, verbs]) => [`skrei ${name}`, summaries.get(name) ?? verbs.join(" ")])),
    "",
    "Every command has --help.",
    "",
  ].join("\n");
}

function section(title: string, entries: readonly (readonly [string, string])[]): readonly string[] {
  return entries.length === 0 ? [] : ["", `${title}:`, ...rows(entries)];
}

function describeFlag([long, flag]: readonly [string, Flag]): readonly [string, string] {
  const metavar = flag.kind === "boolean" ? "" : valueOf(flag);
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  return [`${short}--${long}${metavar}`, `${flag.summary}${flag.kind === "list" ? " (repeatable)" : ""}`];
}

function valueOf(flag: Exclude<Flag, { kind: "boolean" }>): string {
  return flag.kind === "value" && flag.isOptional === true ? `[=${flag.metavar}]` : ` ${flag.metavar}`;
}

function rows(entries: readonly (readonly [string, string])[]): readonly string[] {
  const left = Math.min(NAME_COLUMNS_MAX, Math.max(0, ...entries.map(([name]) => name.length)));
  return entries.flatMap(([name, summary]) => {
    const lines = wrap(summary, COLUMNS - left - 4);
    const head = name.length > left ? [`  ${name}`] : [];
    return [...head, ...lines.map((line, index) => `  ${(index === 0 && head.length === 0 ? name : "").padEnd(left)}  ${line}`)];
  });
}

function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}
