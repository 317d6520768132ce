import { readFileSync } from "node:fs";
import type { Violation } from "@skrei/domain";
import { parse as parseYaml } from "yaml";
import { envName, envPrefix, flagName, keyOf, suggestion } from "./config-names.ts";

export interface ConfigInput {
  /** `scheduler` for SKREI_SCHEDULER_…; `compute-agent` for SKREI_COMPUTE_AGENT_… */
  readonly service: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Without the program's name. `--key value`, `--key=value`, `--flag` for true, `--no-flag` for false. */
  readonly argv: readonly string[];
  /** YAML or JSON files, later ones win; `--config FILE` and SKREI_<SERVICE>_CONFIG come after them. */
  readonly files?: readonly string[];
}

/** Values of one source by key. */
export interface ConfigSource {
  readonly values: ReadonlyMap<string, unknown>;
  /** A key as this source spells it: `--listen-port`, `SKREI_SCHEDULER_LISTEN_PORT`, `listenPort`. */
  spell(key: string): string;
  /** Where a value is: the flag, the variable, or the file. */
  readonly place: (key: string) => string;
}

/** All sources, strongest first. Problems with names, flags and files go to `violations`. */
export function readSources(input: ConfigInput, known: readonly string[], violations: Violation[]): ConfigSource[] {
  const flags = readFlags(input.argv, violations);
  const environment = readEnvironment(input);
  const fileName = flags.values.get("config") ?? environment.values.get("config");
  const paths = [...(input.files ?? []), ...(typeof fileName === "string" ? [fileName] : [])];
  const sources = [flags, environment, ...paths.map((path) => readFile(path, violations)).reverse()];
  for (const source of sources) rejectUnknown(source, known, violations);
  return sources;
}

function readFlags(argv: readonly string[], violations: Violation[]): ConfigSource {
  const values = new Map<string, unknown>();
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? "";
    const [, name, value] = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/su.exec(argument) ?? [];
    const next = argv[i + 1];
    if (name === undefined) {
      violations.push({ field: argument.slice(0, 64), reason: "FIELD_UNKNOWN", message: "is no flag; flags look like --listen-port 1234" });
    } else if (value !== undefined) values.set(keyOf(name), value);
    else if (next !== undefined && !next.startsWith("--")) values.set(keyOf(name), argv[++i]);
    else if (name.startsWith("no-")) values.set(keyOf(name.slice("no-".length)), "false");
    else values.set(keyOf(name), "true");
  }
  return { values, spell: flagName, place: flagName };
}

function readEnvironment({ env, service }: ConfigInput): ConfigSource {
  const prefix = envPrefix(service);
  const values = new Map<string, unknown>();
  for (const [name, value] of Object.entries(env)) {
    // An empty variable is how compose files say "not set".
    if (name.startsWith(prefix) && value !== undefined && value !== "") values.set(keyOf(name.slice(prefix.length)), value);
  }
  const spell = (key: string): string => envName(service, key);
  return { values, spell, place: spell };
}

function readFile(path: string, violations: Violation[]): ConfigSource {
  return { values: new Map(Object.entries(parseFile(path, violations))), spell: (key) => key, place: () => path };
}

function parseFile(path: string, violations: Violation[]): object {
  try {
    // JSON is YAML. No aliases: a small file cannot grow in memory.
    const content: unknown = parseYaml(readFileSync(path, "utf8"), { maxAliasCount: 0 });
    if (content === null || content === undefined) return {};
    if (typeof content === "object" && !Array.isArray(content)) return content;
    violations.push({ field: path, reason: "FIELD_INVALID", message: "the file must hold keys and values" });
  } catch (error) {
    violations.push({ field: path, reason: "FIELD_INVALID", message: error instanceof Error ? error.message : String(error) });
  }
  return {};
}

function rejectUnknown(source: ConfigSource, known: readonly string[], violations: Violation[]): void {
  for (const key of source.values.keys()) {
    const base = key.endsWith("File") ? key.slice(0, -"File".length) : key;
    if (known.includes(key) || known.includes(base) || key === "config") continue;
    const meant = suggestion(key, known, (name) => source.spell(name));
    violations.push({ field: key, reason: "FIELD_UNKNOWN", message: `${source.spell(key)} is not a known setting${meant}` });
  }
}
