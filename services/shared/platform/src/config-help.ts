import type { z } from "zod";
import { describeConfig } from "./config.ts";
import { envPrefix } from "./config-names.ts";

/** Whether somebody asks what can be set. */
export function isHelpAsked(argv: readonly string[]): boolean {
  return argv.some((word) => word === "--help" || word === "-h");
}

/** Every setting of a service with its default and sentence, for a terminal. */
export function configHelp(schema: z.ZodType, service: string): string {
  const rows = describeConfig(schema, service);
  return [
    `skrei ${service}: each setting is a flag, a variable ${envPrefix(service)}…, or a key of the YAML file that --config names; flags win.`,
    "A secret's flag or variable that ends in -file or _FILE names a file that holds it.",
    ...rows.flatMap(({ flag, env, default: value, description }) => [
      "",
      `${flag}${value === "" ? "" : ` (default ${value})`}`,
      `    ${env}`,
      ...(description === "" ? [] : [`    ${description}`]),
    ]),
    "",
  ].join("\n");
}
