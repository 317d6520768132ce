import type { Session } from "../session.ts";
import { GatewayBlocks } from "./block-source.ts";
import { chooseResults } from "./chosen-results.ts";
import { GatewayClient } from "./gateway-stream.ts";
import { inParallel } from "./in-parallel.ts";
import { type ResultTree, treesOf } from "./result-trees.ts";

/** Connections to the content store, and trees at a time. */
export const PARALLEL_MAX = 4;
const IDLE_TIMEOUT_MS = 60_000;
/** With the pauses between them about a minute: a publisher that restarts is back by then. */
const TRIES_MAX = 9;
const BACKOFF_MS = 250;

export interface ResultChoice {
  readonly jobId: string;
  /** Empty for all. */
  readonly partitions: readonly number[];
  /** Empty for whole results. */
  readonly outputs: readonly string[];
}

/** The trees of a job's results, ready to be read. */
export interface OpenResults extends Disposable {
  readonly trees: readonly ResultTree[];
  /** Names of the parts' folders; empty when the job has but one result. */
  readonly folders: readonly string[];
}

/** Finds what is asked for. @throws DomainError notFound/RESULT_NOT_FOUND. */
export async function openResults(session: Session, { jobId, partitions, outputs }: ResultChoice): Promise<OpenResults> {
  const { results, areSeveral } = await chooseResults(session, jobId, partitions);
  using stack = new DisposableStack();
  const client = stack.use(new GatewayClient({ connectionsMax: PARALLEL_MAX, idleTimeoutMs: IDLE_TIMEOUT_MS }));
  const found: ResultTree[][] = results.map(() => []);
  await inParallel(results.entries(), PARALLEL_MAX, async ([index, result]) => {
    const source = new GatewayBlocks({
      createLink: async () => (await session.cluster.results.createDownloadLink({ jobId: result.jobId, cid: result.cid })).url,
      get: (address, signal, push) => client.get(address, signal, push),
      signal: session.signal,
      triesMax: TRIES_MAX,
      backoffMs: BACKOFF_MS,
    });
    const folder = areSeveral ? [String(result.partition)] : [];
    found[index]?.push(...(await treesOf({ result, source, folder, outputs })));
  });
  const owned = stack.move();
  return {
    trees: found.flat(),
    folders: areSeveral ? results.map(({ partition }) => String(partition)) : [],
    [Symbol.dispose]: () => {
      owned.dispose();
    },
  };
}
