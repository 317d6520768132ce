import { defineCommand } from "../command.ts";
import { completeWords } from "../complete-words.ts";
import { answer } from "../output/terminal.ts";

export const complete = defineCommand({
  path: "__complete",
  summary: "Candidates for the last word, a line each: value, tab, description.",
  isHidden: true,
  args: [{ name: "words", summary: "the command line so far", isVariadic: true }],
  flags: {},
  examples: ["skrei __complete -- job li"],
  run: async ({ args, session }) => {
    const { loadCommands } = await import("./index.ts");
    const candidates = await completeWords(args, await loadCommands(), session);
    await answer(session.terminal, ...candidates.map(({ value, description }) => `${value}\t${description}`));
  },
});
