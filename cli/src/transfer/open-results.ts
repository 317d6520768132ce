import type { Session } from "../session.ts";
import { chooseResults, refuseExpired } from "./chosen-results.ts";
import { inParallel } from "./in-parallel.ts";
import { createGatewayClient, openGateway, PARALLEL_MAX } from "./open-gateway.ts";
import { type ResultTree, treesOf } from "./result-trees.ts";

export interface ResultChoice {
  readonly jobId: string;
  /** Empty for all. */
  readonly partitions: readonly number[];
  /** Empty for whole results. */
  readonly outputs: readonly string[];
  readonly isQuiet?: boolean;
}

/** The trees of a job's results, ready to be read. */
export interface OpenResults extends Disposable {
  readonly trees: readonly ResultTree[];
  /** Names of the parts' folders; empty when the job has but one result. */
  readonly folders: readonly string[];
}

/** Finds what is asked for. @throws DomainError notFound/RESULT_NOT_FOUND. */
export async function openResults(session: Session, { jobId, partitions, outputs, isQuiet = false }: ResultChoice): Promise<OpenResults> {
  const { results, areSeveral } = await chooseResults(session, jobId, partitions);
  refuseExpired(jobId, results);
  using stack = new DisposableStack();
  const client = stack.use(createGatewayClient());
  const found: ResultTree[][] = results.map(() => []);
  await inParallel(results.entries(), PARALLEL_MAX, async ([index, result]) => {
    const source = openGateway(session, client, { jobId: result.jobId, cid: result.cid, isQuiet });
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
