import { newJobId } from "@skrei/domain";
import type { JobSpec } from "@skrei/domain";
import { isLasting } from "../domain/lasting-reasons.ts";
import { planSpec } from "../domain/plan-spec.ts";
import type { SpecPlan } from "../domain/plan-spec.ts";
import type { Bid, JobTask } from "../ports.ts";
import type { NodeEntry } from "./live-state.ts";
import type { TermContext } from "./term-context.ts";

/** What nodes would do with the spec: by the books, and by their own word about inputs, networks and images. Nothing stays reserved. */
export async function askPlan(term: TermContext, spec: JobSpec): Promise<readonly SpecPlan[]> {
  const { live, clock, randomness } = term;
  const plans = planSpec(spec, live.snapshots());
  const jobId = newJobId({ nowMs: () => clock.nowMs(), randomBytes: () => randomness.randomBytes() });
  const job: JobTask = { jobId, jobVersion: 1, jobName: spec.name, partitionCount: spec.count, task: spec.task };
  const asked = new Set(plans.filter(isWorthAsking).slice(0, ASKED_MAX));
  return Promise.all(plans.map(async (plan) => (asked.has(plan) ? await askOne(term, plan, job) : plan)));
}

async function askOne(term: TermContext, plan: SpecPlan, job: JobTask): Promise<SpecPlan> {
  const node = term.live.nodes.get(plan.nodeId);
  if (node === undefined || !node.isPresent) return plan;
  const bid = await askNode(term, node, job);
  if (bid === undefined) return plan;
  if (bid.partitions > 0) return { ...plan, missingBytes: bid.missingBytes };
  if (!isLasting(bid.reason)) return plan;
  return { ...plan, partitions: 0, reason: bid.reason, message: bid.message, fitsWhenIdle: false };
}

/** Undefined when it does not answer: then the books alone speak. */
async function askNode(term: TermContext, node: NodeEntry, job: JobTask): Promise<Bid | undefined> {
  const { agents, options, signal, logger, assigner } = term;
  const { id: nodeId, session } = node.node;
  const askId = `p-${job.jobId}`;
  try {
    const [bid] = await agents.ask({ nodeId, session }, [{ askId, job, partitions: 1 }], options.bidWindowMs, signal);
    return bid;
  } catch (error) {
    signal.throwIfAborted();
    logger.debug({ nodeId, err: error }, "node did not answer the ask of a plan");
    return undefined;
  } finally {
    if (node.node.session === session) {
      node.chain.releaseAsk(askId);
      assigner.flush(node);
    }
  }
}

function isWorthAsking({ partitions, reason }: SpecPlan): boolean {
  return partitions > 0 || reason === "CAPACITY_BUSY";
}

/** A plan is a question of a person; more nodes than a person reads would only cost them time. */
const ASKED_MAX = 64;
