import { createTextCleaner } from "./clean-text.ts";
import type { TextCleaner } from "./clean-text.ts";
import type { Output } from "./terminal.ts";

/** Writes what a job wrote: untouched bytes to a pipe, cleaned text to a terminal. */
export interface OutputWriter {
  write(data: Uint8Array): Promise<void>;
  /** Ends a cut character or colour. */
  end(): Promise<void>;
}

export function createOutputWriter(output: Output, { isRaw }: { readonly isRaw: boolean }): OutputWriter {
  if (isRaw || !output.isTty) return { write: (data) => output.write(data), end: () => Promise.resolve() };
  const decoder = new TextDecoder();
  const cleaner: TextCleaner = createTextCleaner({ sgr: "colour" });
  return {
    write: (data) => output.write(cleaner.push(decoder.decode(data, { stream: true }))),
    end: () => output.write(cleaner.push(decoder.decode()) + cleaner.end()),
  };
}
