import { createTextCleaner } from "./clean-text.ts";
import type { OutputWriter } from "./output-writer.ts";
import type { Output } from "./terminal.ts";

/** A line that grows beyond this is written in pieces, each with the prefix. */
const LINE_LENGTH_MAX = 8_192;

/** `part 3  | ` of a job of 20 parts. */
export function partPrefix(partition: number, count: number): string {
  return `${`part ${partition}`.padEnd(`part ${count - 1}`.length)} | `;
}

/** Writes whole cleaned lines, each behind `prefix`, so that several writers can share a terminal. */
export function createPrefixedWriter(
  output: Output,
  { prefix, beforeWrite }: { prefix: string; beforeWrite(): Promise<void> },
): OutputWriter {
  const decoder = new TextDecoder();
  const cleaner = createTextCleaner({ sgr: "colour" });
  let rest = "";
  const writeLines = async (text: string, { isEnd }: { readonly isEnd: boolean }): Promise<void> => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest !== "" && (isEnd || rest.length > LINE_LENGTH_MAX)) {
      lines.push(rest);
      rest = "";
    }
    if (lines.length === 0) return;
    await beforeWrite();
    await output.write(lines.map((line) => `${output.style("dim", prefix)}${line}\n`).join(""));
  };
  return {
    write: (data) => writeLines(cleaner.push(decoder.decode(data, { stream: true })), { isEnd: false }),
    end: () => writeLines(cleaner.push(decoder.decode()) + cleaner.end(), { isEnd: true }),
  };
}
