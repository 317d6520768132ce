import { styleText } from "node:util";

type Format = Parameters<typeof styleText>[0];

/** One of the two output streams. */
export interface Output {
  readonly isTty: boolean;
  readonly columns: number;
  /** Resolves when more may be written. A closed pipe is no error: the program ends quietly (main.ts). */
  write(data: string | Uint8Array): Promise<void>;
  /** Colours when the stream and the environment (NO_COLOR, FORCE_COLOR, TERM) allow. */
  style(format: Format, text: string): string;
}

/** stdout is the answer, stderr is the talk. */
export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  readStdin(): Promise<string>;
}

export function createOutput(stream: NodeJS.WriteStream): Output {
  return {
    isTty: stream.isTTY === true,
    get columns() {
      return stream.columns ?? 80;
    },
    write(data) {
      return new Promise((resolve) => {
        stream.write(data, () => {
          resolve();
        });
      });
    },
    style(format, text) {
      return styleText(format, text, { stream });
    },
  };
}

/** Writes lines to stderr. */
export async function say(terminal: Terminal, ...lines: readonly string[]): Promise<void> {
  await terminal.stderr.write(lines.map((line) => `${line}\n`).join(""));
}

/** Writes lines to stdout. */
export async function answer(terminal: Terminal, ...lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await terminal.stdout.write(lines.map((line) => `${line}\n`).join(""));
}
