import { stripVTControlCharacters, styleText } from "node:util";
import type { Output, Terminal } from "./output/terminal.ts";

/** A terminal that keeps what was written to it. For tests. */
export interface TestTerminal extends Terminal {
  readonly written: { stdout: string; stderr: string };
}

export function createTestTerminal({
  env = {},
  isTty = false,
  stdin = "",
}: { env?: NodeJS.ProcessEnv; isTty?: boolean; stdin?: string } = {}): TestTerminal {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr"): Output => ({
    isTty,
    columns: 80,
    write(data) {
      written[name] += typeof data === "string" ? data : Buffer.from(data).toString("utf8");
      return Promise.resolve();
    },
    style: (format, text) => (isTty ? styleText(format, text, { validateStream: false }) : stripVTControlCharacters(text)),
  });
  return { stdout: output("stdout"), stderr: output("stderr"), env, readStdin: () => Promise.resolve(stdin), written };
}
