import { readFileSync } from "node:fs";
import { DomainError, type Violation } from "@skrei/domain";
import { z } from "zod";
import { envName, flagName } from "./config-names.ts";
import { type ConfigInput, type ConfigSource, readSources } from "./config-sources.ts";
import { SECRET_KEYS } from "./logger.ts";

export interface LoadedConfig<Config> {
  readonly config: Config;
  /** Each value with its source, secrets masked: what is logged at start. */
  readonly described: Readonly<Record<string, { readonly value: unknown; readonly source: string }>>;
}

/**
 * Reads one service's configuration: flags over environment over file over defaults. Secrets come from files: beside a key
 * `joinToken`, `joinTokenFile` (SKREI_SCHEDULER_JOIN_TOKEN_FILE, --join-token-file) names a file with its value.
 * @throws DomainError invalid/CONFIG_INVALID with one violation for every problem.
 */
export function loadConfig<Schema extends z.ZodType>(schema: Schema, input: ConfigInput): LoadedConfig<z.output<Schema>> {
  const shape = shapeOf(schema);
  const known = Object.keys(shape);
  const violations: Violation[] = [];
  const sources = readSources(input, known, violations);
  const values: Record<string, unknown> = {};
  for (const key of known) {
    const found = findValue(key, known, sources, violations);
    if (found !== undefined) values[key] = found.value;
  }
  const parsed = schema.safeParse(values);
  if (!parsed.success) violations.push(...parsed.error.issues.flatMap((issue) => describeIssue(issue, sources, input.service)));
  if (violations.length > 0) {
    const count = violations.length === 1 ? "one problem" : `${violations.length} problems`;
    throw new DomainError("invalid", "CONFIG_INVALID", `the configuration has ${count}`, { violations });
  }
  const config = parsed.data as z.output<Schema>;
  return { config, described: describeValues(config as Record<string, unknown>, sources) };
}

/** One row of a knob table. */
export interface ConfigRow {
  readonly key: string;
  readonly env: string;
  readonly flag: string;
  /** Empty when the key must be given. */
  readonly default: string;
  readonly description: string;
}

/** Every knob of a schema, in its order, for the tables of the READMEs. */
export function describeConfig(schema: z.ZodType, service: string): ConfigRow[] {
  return Object.entries(shapeOf(schema)).map(([key, field]) => ({
    key,
    env: envName(service, key),
    flag: flagName(key),
    default: defaultOf(field),
    description: field.description ?? "",
  }));
}

/** The knobs as a Markdown table. */
export function configTable(schema: z.ZodType, service: string): string {
  const rows = describeConfig(schema, service).map(
    (row) => `| \`${row.flag}\` | \`${row.env}\` | ${row.default === "" ? "" : `\`${row.default}\``} | ${row.description} |`,
  );
  return ["| Flag | Environment | Default | What |", "|---|---|---|---|", ...rows].join("\n");
}

function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> {
  if (schema instanceof z.ZodObject) return schema.shape as Record<string, z.ZodType>;
  throw new TypeError("a configuration schema is a z.strictObject");
}

function findValue(
  key: string,
  known: readonly string[],
  sources: readonly ConfigSource[],
  violations: Violation[],
): { value: unknown } | undefined {
  const fileKey = `${key}File`;
  for (const source of sources) {
    const path = known.includes(fileKey) ? undefined : source.values.get(fileKey);
    if (source.values.has(key)) {
      if (path !== undefined)
        violations.push({
          field: key,
          reason: "FIELD_INVALID",
          message: `give ${source.spell(key)} or ${source.spell(fileKey)}, not both`,
        });
      return { value: source.values.get(key) };
    }
    if (typeof path !== "string") continue;
    try {
      return { value: readFileSync(path, "utf8").trim() };
    } catch (error) {
      violations.push({
        field: fileKey,
        reason: "FIELD_INVALID",
        message: `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      });
      return undefined;
    }
  }
  return undefined;
}

function describeIssue(issue: z.core.$ZodIssue, sources: readonly ConfigSource[], service: string): Violation[] {
  const [key] = issue.path;
  const name = typeof key === "string" ? key : "";
  const source = sources.find(({ values }) => values.has(name) || values.has(`${name}File`));
  const field = issue.path.map(String).join(".");
  if (source === undefined) {
    const ways = name === "" ? "" : `; set ${flagName(name)} or ${envName(service, name)}`;
    return [{ field, reason: "FIELD_REQUIRED", message: `${issue.message}${ways}` }];
  }
  const value = source.values.has(name) ? mask(name, source.values.get(name)) : "[redacted]";
  return [{ field, reason: "FIELD_INVALID", message: `${wordsOf(issue)}; got ${JSON.stringify(value)} from ${placeOf(name, source)}` }];
}

/** The validator's own words are for programmers. */
function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type" && issue.expected === "number") return "must be a number";
  if (issue.code === "invalid_type" && issue.expected === "int") return "must be a whole number";
  if (issue.code === "too_big" && issue.origin !== "string" && issue.origin !== "array") return `must be at most ${issue.maximum}`;
  return issue.message;
}

function describeValues(
  config: Record<string, unknown>,
  sources: readonly ConfigSource[],
): Record<string, { value: unknown; source: string }> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => {
      const source = sources.find(({ values }) => values.has(key) || values.has(`${key}File`));
      return [key, { value: mask(key, value), source: source === undefined ? "default" : placeOf(key, source) }];
    }),
  );
}

function defaultOf(field: z.ZodType): string {
  const result = field.safeParse(undefined);
  if (!result.success) return "";
  if (result.data === undefined) return "none";
  return typeof result.data === "string" ? result.data : JSON.stringify(result.data);
}

function mask(key: string, value: unknown): unknown {
  const isSecret = SECRET_KEYS.some((secret) => key.toLowerCase().endsWith(secret.toLowerCase()));
  if (isSecret) return "[redacted]";
  return typeof value === "string" ? value.replace(/\/\/[^/@\s]*@/gu, "//[redacted]@") : value;
}

/** A secret may have come through its `File` key. */
function placeOf(key: string, source: ConfigSource): string {
  return source.place(source.values.has(key) ? key : `${key}File`);
}
