import { mkdirSync, readdirSync, realpathSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DomainError } from "@skrei/domain";
import { makeFolders } from "@skrei/platform/make-folders.ts";
import { cleanLine } from "../output/clean-text.ts";
import { filesOf } from "../output/count-of.ts";
import { say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import type { Session } from "../session.ts";
import { type ClaimedTarget, claimTarget, PARTS_FOLDER } from "./claim-target.ts";
import { compareTree } from "./compare-tree.ts";
import { asDiskError } from "./disk-error.ts";
import { inParallel } from "./in-parallel.ts";
import { statOf } from "./local-file.ts";
import { PARALLEL_MAX } from "./open-gateway.ts";
import { openResults } from "./open-results.ts";
import type { ResultTree } from "./result-trees.ts";
import { createTransferProgress } from "./transfer-progress.ts";
import { occupied, writeTree } from "./write-tree.ts";

export interface GetRequest extends DownloadRequest {
  readonly jobId: string;
  /** Only these outputs of each part. */
  readonly output: readonly string[] | undefined;
  /** Only these parts. */
  readonly partitions?: readonly number[];
}

export interface DownloadRequest {
  readonly to: string;
  /** Replace what differs. */
  readonly isForced: boolean;
  /** Says nothing when all went well. */
  readonly isQuiet: boolean;
}

export interface GotResults {
  files: number;
  sizeBytes: number;
  /** What was there already. */
  keptFiles: number;
  keptBytes: number;
  refusedLinks: string[];
}

/** Downloads the results of a job into a folder, each byte checked against its content id. */
export async function getResults(session: Session, request: GetRequest): Promise<GotResults> {
  const { jobId, partitions = [], output: outputs = [] } = request;
  using opened = await openResults(session, { jobId, partitions, outputs, isQuiet: request.isQuiet });
  return await downloadTrees(session, opened.trees, request);
}

/**
 * Downloads trees into a folder. What is there already is compared and not fetched again; what differs is refused before anything is
 * written, unless it is to be replaced. One download at a time writes to a folder.
 */
export async function downloadTrees(session: Session, trees: readonly ResultTree[], request: DownloadRequest): Promise<GotResults> {
  const target = makeTarget(request.to);
  using claim = claimTarget(target);
  if (!request.isForced) for (const tree of trees) await refuseOther(tree, target);
  const got = await fetchTrees(session, trees, { claim, target, request });
  for (const link of got.refusedLinks)
    await say(session.terminal, `note: the link ${cleanLine(link)} leads out of the result and is left out`);
  if (!request.isQuiet) await say(session.terminal, summaryOf(got));
  return got;
}

/** Refuses, before a job is submitted, what its download would refuse: the entries that it would write are known. */
export async function refuseOccupied(
  to: string,
  { count, isForced }: { readonly count: number; readonly isForced: boolean },
): Promise<void> {
  const names = count === 1 ? RESULT_ENTRIES : Array.from({ length: count }, (_, part) => String(part));
  const existing = new Set(isForced ? [] : await readdir(resolve(to)).catch(() => []));
  const taken = names.find((name) => existing.has(name));
  if (taken === undefined) return;
  throw new DomainError("exists", "FIELD_INVALID", `${join(to, taken)} exists already; nothing was written.`, {
    hint: "Choose another folder, or replace it with --force.",
  });
}

const RESULT_ENTRIES = ["stdout", "stderr", "exitCode", "outputs"];

function makeTarget(to: string): string {
  try {
    makeFolders(to);
    return realpathSync(resolve(to));
  } catch (error) {
    throw asDiskError(error, to);
  }
}

async function refuseOther({ source, root, place }: ResultTree, target: string): Promise<void> {
  const base = join(target, ...place);
  if (place.length === 0 && readdirSync(target).every((name) => name === PARTS_FOLDER)) return;
  if (statOf(base) === undefined) return;
  for await (const { kind, path } of compareTree(source, root, base, { files: 0, sizeBytes: 0 }))
    if (kind === "changed") throw occupied(join(base, ...path));
}

async function fetchTrees(
  session: Session,
  trees: readonly ResultTree[],
  { claim, target, request }: { readonly claim: ClaimedTarget; readonly target: string; readonly request: DownloadRequest },
): Promise<GotResults> {
  const total: GotResults = { files: 0, sizeBytes: 0, keptFiles: 0, keptBytes: 0, refusedLinks: [] };
  const totalBytes = trees.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const progress = request.isQuiet ? undefined : createTransferProgress(session.terminal.stderr, totalBytes);
  try {
    await inParallel(trees, PARALLEL_MAX, async ({ source, root, place }) => {
      if (place.length > 1) makeFolder(join(target, ...place.slice(0, -1)));
      const written = await writeTree(source, root, join(target, ...place), {
        partsFolder: claim.partsFolder,
        existing: request.isForced ? "replace" : "trust",
        onBytes: (sizeBytes) => progress?.add(sizeBytes),
      });
      total.files += written.files;
      total.sizeBytes += written.sizeBytes;
      total.keptFiles += written.keptFiles;
      total.keptBytes += written.keptBytes;
      total.refusedLinks.push(...written.refusedLinks.map((link) => [...place, link].join("/")));
    });
  } finally {
    await progress?.clear();
  }
  claim.dropParts();
  return total;
}

/** Not through a link: it would lead out of the folder that was named. */
function makeFolder(path: string): void {
  if (statOf(path)?.isDirectory() === true) return;
  if (statOf(path) !== undefined) throw occupied(path);
  try {
    mkdirSync(path);
  } catch (error) {
    throw asDiskError(error, path);
  }
}

function summaryOf({ files, sizeBytes, keptFiles, keptBytes }: GotResults): string {
  const kept = keptBytes === 0 && keptFiles === 0 ? "" : ` (${filesOf(keptFiles)} and ${formatBytes(keptBytes)} in all were there already)`;
  return `  ✓ verified  ${filesOf(files)}, ${formatBytes(sizeBytes)}${kept}; every byte matches its content id`;
}
