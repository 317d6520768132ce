import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { DomainError } from "@skrei/domain";
import type { Result } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import { parseCid } from "@skrei/unixfs/cid.ts";
import { filesOf } from "../output/count-of.ts";
import { say } from "../output/terminal.ts";
import { createLiveLine } from "../output/live-line.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import type { Session } from "../session.ts";
import { readCar } from "./car-reader.ts";
import { writeDag } from "./write-dag.ts";
import type { WrittenDag } from "./write-dag.ts";

export interface GetRequest {
  readonly jobId: string;
  readonly to: string;
  /** Replace entries that exist. */
  readonly isForced: boolean;
  /** Only this output of each part. */
  readonly output: string | undefined;
  /** Says nothing when all went well. */
  readonly isQuiet: boolean;
}

/** Downloads the results of a job into a folder, each byte checked against its content id. Nothing is left of a download that fails. */
export async function getResults(session: Session, request: GetRequest): Promise<void> {
  const results = newestOfEach(await listResults(session, request.jobId));
  const [first] = results;
  if (first === undefined) {
    throw new DomainError("notFound", "RESULT_NOT_FOUND", `Job ${request.jobId} has no result yet.`, {
      hint: `Its output so far: skrei job logs ${request.jobId}`,
    });
  }
  const target = resolve(request.to);
  await mkdir(target, { recursive: true });
  const names = results.length === 1 ? undefined : results.map(({ partition }) => String(partition));
  if (names !== undefined) await refuseExisting(target, names, request);
  await using stack = new AsyncDisposableStack();
  const parts = await mkdtemp(join(target, ".skrei-part-"));
  stack.defer(() => rm(parts, { recursive: true, force: true }));
  const totals = await downloadAll(session, results, { parts, output: request.output });
  const from = names === undefined ? join(parts, String(first.partition)) : parts;
  const chosen = await chooseOutput(from, { names: names ?? [""], output: request.output });
  await refuseExisting(
    target,
    chosen.map(({ to }) => to),
    request,
  );
  for (const entry of chosen) {
    const to = join(target, entry.to);
    if (request.isForced) await rm(to, { recursive: true, force: true });
    await mkdir(join(to, ".."), { recursive: true });
    await rename(entry.from, to);
  }
  if (request.isQuiet) return;
  await say(
    session.terminal,
    `  ✓ verified  ${filesOf(totals.files)}, ${formatBytes(totals.sizeBytes)}; every byte matches its content id`,
  );
}

/** Each into a folder named by its partition. */
async function downloadAll(
  session: Session,
  results: readonly Result[],
  { parts, output }: { readonly parts: string; readonly output: string | undefined },
): Promise<{ files: number; sizeBytes: number }> {
  const totals = { files: 0, sizeBytes: 0 };
  for (const result of results) {
    const written = await download(session, result, { to: join(parts, String(result.partition)), output });
    totals.files += written.files;
    totals.sizeBytes += written.sizeBytes;
    for (const link of written.refusedLinks)
      await say(session.terminal, `note: the link ${link} of part ${result.partition} leads out of the result and is left out`);
  }
  return totals;
}

/** Refuses, before a job is submitted, what its download would refuse: the entries that it would write are known. */
export async function refuseOccupied(
  to: string,
  { count, isForced }: { readonly count: number; readonly isForced: boolean },
): Promise<void> {
  const names = count === 1 ? RESULT_ENTRIES : Array.from({ length: count }, (_, part) => String(part));
  const isThere = await readdir(resolve(to)).then(
    () => true,
    () => false,
  );
  if (isThere) await refuseExisting(resolve(to), names, { to, isForced });
}

const RESULT_ENTRIES = ["stdout", "stderr", "exitCode", "outputs"];

async function listResults(session: Session, jobId: string): Promise<readonly Result[]> {
  const results: Result[] = [];
  let pageToken = "";
  do {
    const page = await session.cluster.results.listResults({ jobId, pageSize: 1_000, pageToken });
    results.push(...page.results);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return results;
}

/** One result a partition: the accepted one, else the newest that could be kept. */
function newestOfEach(results: readonly Result[]): readonly Result[] {
  const chosen = new Map<number, Result>();
  for (const result of results) {
    const known = chosen.get(result.partition);
    if (known === undefined || (!known.accepted && (result.accepted || result.executionId > known.executionId)))
      chosen.set(result.partition, result);
  }
  return [...chosen.values()].toSorted((a, b) => a.partition - b.partition);
}

async function download(
  session: Session,
  result: Result,
  { to, output }: { readonly to: string; readonly output: string | undefined },
): Promise<WrittenDag> {
  const { url } = await session.cluster.results.createDownloadLink({ jobId: result.jobId, cid: result.cid });
  const response = await fetchCar(url, session.signal);
  const live = createLiveLine(session.terminal.stderr, () => performance.now());
  let receivedBytes = 0;
  async function* counted(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of stream) {
      receivedBytes += piece.length;
      live.show(`  part ${result.partition}: ${formatBytes(receivedBytes)} of ${formatBytes(Number(result.sizeBytes))}`);
      yield piece;
    }
  }
  try {
    const kept = output === undefined ? undefined : join(to, "outputs", output);
    return await writeDag(parseCid(result.cid), to, readCar(counted(whole(response, session.signal))), { kept });
  } finally {
    await live.clear();
  }
}

/** What comes of a download whose connection is cut is an error of its own: nothing of it may look like the end. */
async function* whole(stream: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", "The content store cut the download before its end; nothing was kept.", {
      hint: "Try again; if it fails again, a part of the result is damaged in the store: its log says which.",
      cause,
    });
  }
}

async function fetchCar(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const address = new URL(url);
  address.searchParams.set("format", "car");
  let response: Response;
  try {
    response = await fetch(address, {
      signal,
      redirect: "error",
      headers: { accept: "application/vnd.ipld.car;version=1;order=dfs;dups=n" },
    });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", `The content store at ${address.origin} does not answer.`, {
      hint: "Is the publisher running, and is that address reachable from here?",
      cause,
    });
  }
  if (response.ok && response.body !== null) return response.body;
  const text = (await response.text()).slice(0, 300);
  throw new DomainError(
    "unavailable",
    "UPSTREAM_UNAVAILABLE",
    `The content store at ${address.origin} answered ${response.status}: ${text}`,
    { hint: "Try again; a link ends after an hour." },
  );
}

/** What goes where: whole parts, or the one output of each. */
async function chooseOutput(
  from: string,
  { names, output }: { names: readonly string[]; output: string | undefined },
): Promise<readonly { from: string; to: string }[]> {
  const chosen: { from: string; to: string }[] = [];
  for (const name of names) {
    const part = join(from, name);
    const entries = output === undefined ? await readdir(part) : await readdir(join(part, "outputs")).catch(() => []);
    if (output === undefined)
      chosen.push(...(name === "" ? entries.map((entry) => ({ from: join(part, entry), to: entry })) : [{ from: part, to: name }]));
    else if (entries.includes(output)) chosen.push({ from: join(part, "outputs", output), to: join(name, basename(output)) });
    else
      throw new DomainError("notFound", "RESULT_NOT_FOUND", `The result has no output "${output}".`, {
        hint: entries.length === 0 ? "It has no outputs at all." : `Its outputs: ${entries.join(", ")}.`,
      });
  }
  return chosen;
}

async function refuseExisting(
  target: string,
  names: readonly string[],
  { isForced, to }: Pick<GetRequest, "isForced" | "to">,
): Promise<void> {
  if (isForced) return;
  const existing = new Set(await readdir(target));
  const taken = names.find((name) => existing.has(name.split("/")[0] ?? name));
  if (taken === undefined) return;
  throw new DomainError("exists", "FIELD_INVALID", `${join(to, taken)} exists already; nothing was written.`, {
    hint: "Choose another folder, or replace it with --force.",
  });
}
