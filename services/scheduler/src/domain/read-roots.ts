import type { Job } from "@skrei/domain";

/** The content ids that jobs read as inputs. */
export function readRootsOf(jobs: Iterable<Pick<Job, "spec">>): Set<string> {
  const roots = new Set<string>();
  for (const { spec } of jobs) {
    for (const { source } of spec.task.inputs) if (source.type === "content") roots.add(source.cid);
  }
  return roots;
}
