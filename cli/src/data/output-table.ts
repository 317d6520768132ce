import type { Result } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import { toCallError } from "../client/call-error.ts";
import { cleanLine } from "../output/clean-text.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import type { Session } from "../session.ts";
import { findResults } from "../transfer/chosen-results.ts";
import { inParallel } from "../transfer/in-parallel.ts";
import { NodeLoader } from "../transfer/node-loader.ts";
import { createGatewayClient, openGateway, PARALLEL_MAX } from "../transfer/open-gateway.ts";
import { type ResultContents, readManifest } from "../transfer/read-manifest.ts";

const PARTS_SHOWN = 8;
const SKIPPED_SHOWN = 8;
const OUTPUTS = "outputs/";

interface OutputRow {
  readonly part: number;
  readonly path: string;
  readonly cid: string;
  readonly sizeBytes: number;
}

/** What the results hold, as their signed manifests say: of the first parts, accepted ones or what could be kept. Empty without results. */
export async function renderOutputs(session: Session, jobId: string): Promise<readonly string[]> {
  const results = await findResults(session, jobId);
  if (results.length === 0) return [];
  const shown = results.slice(0, PARTS_SHOWN);
  const contents = await readContents(session, shown);
  const rows = shown.flatMap((result, index) => rowsOf(result, contents[index]));
  return [
    ...renderTable({ rows, columns: COLUMNS, output: session.terminal.stdout }),
    ...(results.length > shown.length ? [`and ${results.length - shown.length} more parts: skrei job results ${jobId}`] : []),
    ...shown.flatMap((result, index) => skippedOf(result, contents[index])),
    ...shown.flatMap(({ deliveryUrl, partition }) =>
      deliveryUrl === "" ? [] : [cleanLine(`delivered  part ${partition}: ${deliveryUrl}`)],
    ),
  ];
}

const COLUMNS: readonly Column<OutputRow>[] = [
  { header: "OUTPUT", value: ({ path }) => path },
  { header: "PART", value: ({ part }) => String(part), isRight: true },
  { header: "SIZE", value: ({ sizeBytes }) => formatBytes(sizeBytes), isRight: true },
  { header: "CID", value: ({ cid }) => cid },
];

function rowsOf({ partition: part, cid, sizeBytes, accepted }: Result, contents: ResultContents | undefined): readonly OutputRow[] {
  const outputs = (contents?.parts ?? []).filter(({ path }) => path.startsWith(OUTPUTS));
  const whole = { part, path: accepted ? "(all)" : "(all, not accepted)", cid, sizeBytes: Number(sizeBytes) };
  return [...outputs.map((output) => ({ ...output, part, path: output.path.slice(OUTPUTS.length) })), whole];
}

function skippedOf({ partition }: Result, contents: ResultContents | undefined): readonly string[] {
  const paths = contents?.skippedPaths ?? [];
  if (paths.length === 0) return [];
  const more = paths.length > SKIPPED_SHOWN ? ` and ${paths.length - SKIPPED_SHOWN} more` : "";
  return [cleanLine(`left out   part ${partition}: ${paths.slice(0, SKIPPED_SHOWN).join(", ")}${more}`)];
}

/** A manifest that cannot be read leaves its part without details: the list is no reason to fail. */
async function readContents(session: Session, results: readonly Result[]): Promise<readonly (ResultContents | undefined)[]> {
  using client = createGatewayClient();
  const contents: (ResultContents | undefined)[] = results.map(() => undefined);
  await inParallel(results.entries(), PARALLEL_MAX, async ([index, { jobId, manifestCid }]) => {
    if (manifestCid === "") return;
    const source = openGateway(session, client, { jobId, cid: manifestCid, isPatient: false, isQuiet: true });
    try {
      contents[index] = await readManifest(new NodeLoader(source, { readsAhead: false }).load, manifestCid);
    } catch (error) {
      if (session.signal.aborted || toCallError(error, undefined) === undefined) throw error;
    }
  });
  return contents;
}
