import { join, resolve } from "node:path";
import { readdirSync, realpathSync } from "node:fs";
import { DomainError } from "@skrei/domain";
import { PARTS_FOLDER } from "./claim-target.ts";
import { compareTree, type CompareTotals, type Difference } from "./compare-tree.ts";
import { statOf } from "./local-file.ts";
import type { OpenResults } from "./open-results.ts";

export interface VerifyChoice {
  readonly to: string;
  /** Only a part of what belongs there is compared: what stands beside it is not extra. */
  readonly isPartial?: boolean;
}

export interface VerifyRequest extends VerifyChoice {
  readonly onDifference: (difference: Difference) => Promise<void>;
}

export interface VerifiedResults extends CompareTotals {
  missing: number;
  changed: number;
  extra: number;
}

type OpenTrees = Pick<OpenResults, "trees" | "folders">;

/** Compares a folder with the trees it should hold; nothing is written, and no file's bytes are fetched. */
export async function verifyTrees(opened: OpenTrees, request: VerifyRequest): Promise<VerifiedResults> {
  const totals: VerifiedResults = { files: 0, sizeBytes: 0, missing: 0, changed: 0, extra: 0 };
  for await (const difference of differencesOf(opened, { ...request, to: folderAt(request.to) }, totals)) {
    totals[difference.kind] += 1;
    await request.onDifference(difference);
  }
  return totals;
}

async function* differencesOf(opened: OpenTrees, choice: VerifyChoice, totals: VerifiedResults): AsyncGenerator<Difference> {
  for (const { source, root, place } of opened.trees) {
    for await (const { kind, path } of compareTree(source, root, join(choice.to, ...place), totals)) {
      const whole = [...place, ...path];
      const isOurs = kind === "extra" && whole.length === 1 && whole[0] === PARTS_FOLDER;
      if (!isOurs) yield { kind, path: whole };
    }
  }
  yield* extraParts(opened, choice);
}

/** Beside the folders of parts, when all of them are compared. */
function* extraParts({ folders }: OpenTrees, { to, isPartial = false }: VerifyChoice): Generator<Difference> {
  if (folders.length === 0 || isPartial) return;
  const known = new Set([...folders, PARTS_FOLDER]);
  for (const name of readdirSync(to).toSorted()) if (!known.has(name)) yield { kind: "extra", path: [name] };
}

function folderAt(to: string): string {
  const path = resolve(to);
  const stats = statOf(path);
  if (stats?.isSymbolicLink() === true) return realpathSync(path);
  if (stats?.isDirectory() === true) return path;
  throw new DomainError("notFound", "FIELD_INVALID", `There is no folder ${to} to verify.`, {
    hint: "Name it with --to, or download it without --verify.",
  });
}
