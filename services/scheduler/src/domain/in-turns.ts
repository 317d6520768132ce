/** What `run` makes of each item, in their order; at most `parallelMax` run at once. The first failure is the answer. */
export async function inTurns<From, To>(items: readonly From[], parallelMax: number, run: (item: From) => Promise<To>): Promise<To[]> {
  const done: To[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) {
      // Within bounds: `at` was just compared.
      done[at] = await run(items[at] as From);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallelMax, items.length) }, work));
  return done;
}
