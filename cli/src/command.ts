import { booleanFlag, text, valueFlag } from "./flags.ts";
import type { Flags, FlagValues } from "./flags.ts";
import { integerBetween } from "./parse/parse-integer.ts";
import type { Session } from "./session.ts";

interface Argument {
  readonly name: string;
  readonly summary: string;
  readonly isRequired?: boolean;
  /** Takes all that follow. Only the last. */
  readonly isVariadic?: boolean;
  /** What completion offers. */
  readonly completes?: "job" | "node" | "data" | "file";
}

/** One command. Help, completion and the documents are made from this. */
export interface CommandDefinition<Table extends Flags = Flags> {
  /** `job list` */
  readonly path: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly args: readonly Argument[];
  readonly flags: Table;
  readonly examples: readonly string[];
  /** Exit codes beyond 0 and those that every command has. */
  readonly exitCodes?: Readonly<Record<number, string>>;
  readonly isHidden?: boolean;
  readonly run: (invocation: Invocation<Table>) => Promise<void>;
}

interface Invocation<Table extends Flags> {
  readonly args: readonly string[];
  readonly flags: FlagValues<Table & typeof GLOBAL_FLAGS>;
  readonly session: Session;
}

export const GLOBAL_FLAGS = {
  server: valueFlag("URL", "the cluster's address (SKREI_SERVER)", text),
  "api-host": valueFlag("HOST", "host of the address, as in Bacalhau", text, { isHidden: true }),
  "api-port": valueFlag("PORT", "port of the address, as in Bacalhau", integerBetween(1, 65_535), { isHidden: true }),
  "token-file": valueFlag("FILE", "file with the access token (SKREI_TOKEN_FILE)", text),
  "no-color": booleanFlag("no colours (NO_COLOR)"),
  "no-input": booleanFlag("never ask; fail instead", { isHidden: true }),
  verbose: booleanFlag("show requests and stacks on stderr", { short: "v" }),
} as const;

/** Types a definition by its own flags and gives it with the type erased, ready for the table. */
export function defineCommand<const Table extends Flags>(definition: CommandDefinition<Table>): CommandDefinition {
  return definition as unknown as CommandDefinition;
}
