import { DomainError } from "@skrei/domain";
import { cleanLine } from "../output/clean-text.ts";
import { countOf, filesOf } from "../output/count-of.ts";
import { answer, say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import type { Session } from "../session.ts";
import type { Difference } from "./compare-tree.ts";
import { type VerifyChoice, verifyTrees } from "./verify-trees.ts";
import type { OpenResults } from "./open-results.ts";

export interface VerifyReport extends VerifyChoice {
  /** What is compared; stands first in the JSON. */
  readonly about: Readonly<Record<string, string>>;
  readonly isJson: boolean;
  /** The command that makes good what differs. */
  readonly repair: string;
}

/** Compares a folder with what it should hold and prints each difference. @throws DomainError corrupt/RESULT_CORRUPT when it differs. */
export async function verifyAndTell(
  { terminal }: Session,
  opened: Pick<OpenResults, "trees" | "folders">,
  { about, isJson, repair, ...choice }: VerifyReport,
): Promise<void> {
  const differences: { kind: Difference["kind"]; path: string }[] = [];
  const totals = await verifyTrees(opened, {
    ...choice,
    onDifference: async ({ kind, path }) => {
      if (isJson) differences.push({ kind, path: path.join("/") });
      else await answer(terminal, `${kind.padEnd(7)}  ${cleanLine(path.join("/"))}`);
    },
  });
  if (isJson) await answer(terminal, JSON.stringify({ ...about, ...totals, differences }, null, 2));
  const { missing, changed, extra, files, sizeBytes } = totals;
  if (missing + changed + extra === 0) {
    if (!isJson) await say(terminal, `  ✓ verified  ${filesOf(files)}, ${formatBytes(sizeBytes)}; nothing differs`);
    return;
  }
  throw new DomainError(
    "corrupt",
    "RESULT_CORRUPT",
    `${choice.to} differs from the result: ${missing} missing, ${changed} changed, ${extra} extra; ${countOf(files, "file")} as they should be.`,
    { hint: `To make good what is missing or changed: ${repair}` },
  );
}
