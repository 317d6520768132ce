import { readFileSync } from "node:fs";
import { defineCommand } from "../command.ts";
import { answer } from "../output/terminal.ts";

export const version = defineCommand({
  path: "version",
  summary: "Print the version of this program.",
  args: [],
  flags: {},
  examples: ["skrei version"],
  run: ({ session }) => answer(session.terminal, `skrei ${clientVersion()}`),
});

export function clientVersion(): string {
  const { version: text } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  return text;
}
