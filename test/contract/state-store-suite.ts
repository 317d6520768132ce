import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hasReason, NO_NODE_NETWORK, type Job, type JobId } from "@skrei/domain";
import type { StateChange, StateStore } from "../../services/scheduler/src/ports.ts";
import { eventually } from "../kit/eventually.ts";
import { aChange, aJob, aNode, anEvent, anExecution, aSpec } from "./state-store-records.ts";

export interface StateStoreHarness extends AsyncDisposable {
  /** Started, on empty data. */
  readonly store: StateStore;
  /** Moves the clock that the store was given. */
  advanceClock(byMs: number): void;
  nowMs(): number;
}

/** What the doc strings of `StateStore` promise, for any adapter. */
export function describeStateStore(name: string, createHarness: () => Promise<StateStoreHarness>): void {
  describe(`state store: ${name}`, () => {
    let harness: StateStoreHarness;
    let store: StateStore;
    let term: number;
    let sequence: number;

    beforeEach(async () => {
      harness = await createHarness();
      store = harness.store;
      sequence = 0;
      term = await take(store, "a");
    });
    afterEach(async () => {
      await harness[Symbol.asyncDispose]();
    });

    /** Commits with one event a job, in order. */
    async function commit(parts: Partial<StateChange>): Promise<StateChange> {
      const change = aChange(term, { events: (parts.jobs ?? []).map((job) => anEvent(++sequence, job.id)), ...parts });
      expect(await store.commit(change)).toBe("committed");
      return change;
    }

    describe("lease", () => {
      test("belongs to one holder, who keeps the term while it renews", async () => {
        expect(await store.acquireLease({ holder: "b", ttlMs: 30_000 })).toEqual({ isHeld: false, holder: "a" });
        expect(await store.acquireLease({ holder: "a", ttlMs: 30_000 })).toEqual({ isHeld: true, term });
      });

      test("passes on with a higher term when released, and the old term commits nothing more", async () => {
        await store.releaseLease("b");
        expect(await store.acquireLease({ holder: "b", ttlMs: 30_000 })).toEqual({ isHeld: false, holder: "a" });
        await store.releaseLease("a");
        expect(await store.commit(aChange(term, { jobs: [aJob()] }))).toBe("staleTerm");
        expect(await take(store, "b")).toBeGreaterThan(term);
      });

      test("passes on with a higher term when it runs out", async () => {
        expect(await store.acquireLease({ holder: "a", ttlMs: 50 })).toEqual({ isHeld: true, term });
        const answer = await eventually(
          () => store.acquireLease({ holder: "b", ttlMs: 30_000 }),
          ({ isHeld }) => isHeld,
          { withinMs: 5_000 },
        );
        expect(answer).toEqual({ isHeld: true, term: term + 1 });
        expect(await store.acquireLease({ holder: "a", ttlMs: 50 })).toEqual({ isHeld: false, holder: "b" });
      });
    });

    describe("commit", () => {
      test("of a stale term writes nothing", async () => {
        const job = aJob();
        await store.releaseLease("a");
        const next = await take(store, "b");
        const change = aChange(term, {
          jobs: [job],
          nodes: [aNode()],
          executions: [anExecution(job)],
          events: [anEvent(1, job.id)],
          requests: [aRequest(job, harness)],
        });
        expect(await store.commit(change)).toBe("staleTerm");
        expect(await store.loadLive()).toEqual({ nodes: [], jobs: [], executions: [], lastSequence: 0 });
        expect(await store.getRequest("r1")).toBeUndefined();
        expect(await store.listEvents(0, 10)).toEqual([]);
        expect(await store.commit({ ...change, term: next })).toBe("committed");
      });

      test("repeated is answered again and applied once", async () => {
        const job = aJob();
        const change = await commit({ jobs: [job], executions: [anExecution(job)] });
        expect(await store.commit(structuredClone(change))).toBe("committed");
        expect(await store.listEvents(0, 10)).toEqual(change.events);
        expect(await store.countJobs()).toBe(1);
        await commit({ jobs: [aJob()] });
        expect(await store.eventRange()).toEqual({ firstSequence: 1, lastSequence: 2 });
      });

      test("that leaves a gap, or takes numbers again, is refused and writes nothing", async () => {
        await commit({ jobs: [aJob()] });
        const job = aJob();
        for (const wrong of [1, 3]) {
          const answer = store.commit(aChange(term, { jobs: [job], events: [anEvent(wrong, job.id)] }));
          await expect(answer).rejects.toSatisfy((error) => hasReason(error, "SEQUENCE_MISMATCH"));
        }
        expect(await store.getJob(job.id)).toBeUndefined();
        await commit({ jobs: [job] });
        expect(await store.eventRange()).toEqual({ firstSequence: 1, lastSequence: 2 });
      });

      test("without events is applied", async () => {
        const job = aJob();
        await commit({ jobs: [job] });
        for (const revision of [2, 3]) await commit({ jobs: [{ ...job, revision }], events: [] });
        expect((await store.getJob(job.id))?.revision).toBe(3);
        expect((await store.eventRange()).lastSequence).toBe(1);
      });

      test("keeps what executions did on the network, and what nodes offer of it", async () => {
        const job = aJob({ state: "running" });
        const host = {
          host: "b\u00fccher.example",
          requests: 2,
          denied: 1,
          sentBytes: 2 ** 40,
          receivedBytes: 0,
          rule: "",
          reason: "",
          message: "no",
        };
        const networkUse = { hosts: [host], requests: 2, denied: 1, sentBytes: 2 ** 40, receivedBytes: 0 };
        const execution = anExecution(job, { state: "running" });
        const network = { ...NO_NODE_NETWORK, modes: ["none", "http"] as const, domainCount: 9, ports: [443], connectionsMax: 256 };
        const node = aNode({ network });
        await commit({ jobs: [job], executions: [execution], nodes: [node] });
        // A count alone makes no event.
        await commit({ executions: [{ ...execution, networkUse }], events: [] });
        expect(await store.getExecution(execution.id)).toEqual({ ...execution, networkUse });
        expect(await store.listExecutions(job.id, undefined, 1)).toEqual([{ ...execution, networkUse }]);
        expect(await store.loadLive()).toMatchObject({ executions: [{ networkUse }], nodes: [{ network }] });
        expect((await store.eventRange()).lastSequence).toBe(1);
      });

      test("takes 1,000 jobs with their executions at once", async () => {
        const jobs = Array.from({ length: 1_000 }, () => aJob());
        await commit({ jobs, executions: jobs.map((job) => anExecution(job)) });
        expect(await store.countJobs()).toBe(1_000);
        const live = await store.loadLive();
        expect(live.jobs).toHaveLength(1_000);
        expect(live.executions).toHaveLength(1_000);
        expect(await store.listEvents(0, 2_000)).toHaveLength(1_000);
      });

      test("keeps unicode, control characters and specs of 256 KiB as they are", async () => {
        const spec = aSpec({
          meta: { greeting: "gr\u00fc\u00df \u{1f41f} \u0000\n\u2028 \ud800" },
          labels: { big: "x".repeat(256 * 1024) },
        });
        const job = aJob({ spec });
        await commit({ jobs: [job] });
        expect(await store.getJob(job.id)).toEqual(job);
      });
    });

    describe("live state", () => {
      test("has what has not ended, after many commits", async () => {
        const jobs = Array.from({ length: 30 }, () => aJob({ state: "running" }));
        const nodes = [aNode({ name: "a" }), aNode({ name: "b" })];
        await commit({ jobs, nodes });
        const executions = jobs.map((job) => anExecution(job));
        await commit({ executions });
        const done = jobs.slice(0, 10).map((job) => ended(job, 1_000));
        await commit({ jobs: done, executions: executions.slice(0, 10).map((one) => ({ ...one, state: "completed" as const })) });
        await commit({ nodes: [], removedNodeIds: [nodes[0]!.id] });
        const live = await store.loadLive();
        expect(live.jobs.map(({ id }) => id).sort()).toEqual(jobs.slice(10).map(({ id }) => id));
        expect(live.executions.map(({ id }) => id).sort()).toEqual(executions.slice(10).map(({ id }) => id));
        expect(live.nodes).toEqual([nodes[1]]);
        expect(live.lastSequence).toBe(40);
      });

      test("has ended executions of the current version, and running ones of any job", async () => {
        const running = aJob({ state: "running", version: 2 });
        const stopped = ended(aJob(), 1_000);
        const old = anExecution(running, { jobVersion: 1, state: "failed" });
        const current = anExecution(running, { state: "failed" });
        const stopping = anExecution(stopped, { desired: "stop", state: "running" });
        await commit({ jobs: [running, stopped], executions: [old, current, stopping] });
        const live = await store.loadLive();
        expect(live.jobs).toEqual([running]);
        expect(live.executions.map(({ id }) => id).sort()).toEqual([current.id, stopping.id]);
      });
    });

    describe("jobs", () => {
      test("are found by id, prefix and name", async () => {
        const jobs = [aJob({ name: "one" }), aJob({ name: "two" }), aJob({ name: "one" }), aJob({ name: "one-more" })] as const;
        await commit({ jobs });
        expect(await store.getJob(jobs[1].id)).toEqual(jobs[1]);
        expect(await store.getJob(aJob().id)).toBeUndefined();
        expect(byId(await store.getJobs([jobs[3].id, aJob().id, jobs[0].id]))).toEqual([jobs[0], jobs[3]]);
        expect(await store.getJobs([])).toEqual([]);
        expect([...(await store.findJobIds("j-", 10))].sort()).toEqual(jobs.map(({ id }) => id));
        expect(await store.findJobIds(jobs[2].id, 10)).toEqual([jobs[2].id]);
        expect(await store.findJobIds("j-zzz", 10)).toEqual([]);
        expect(await store.findJobIds("", 2)).toHaveLength(2);
        expect(await store.findJobIdsByName("one", 10)).toEqual([jobs[2].id, jobs[0].id]);
        expect(await store.findJobIdsByName("on", 10)).toEqual([]);
      });

      test("are listed newest first by state and namespace, page by page", async () => {
        const states = ["pending", "running", "completed"] as const;
        const jobs = Array.from({ length: 60 }, (_, i) => aJob({ state: states[i % 3]!, namespace: i % 2 === 0 ? "a" : "b" }));
        await commit({ jobs });
        const newest = jobs.toReversed();
        const queries = [
          { states: [], namespace: undefined },
          { states: ["running"], namespace: undefined },
          { states: ["running", "completed", "failed"], namespace: undefined },
          { states: [], namespace: "b" },
          { states: ["pending", "completed"], namespace: "a" },
          { states: ["stopped"], namespace: "a" },
        ] as const;
        for (const query of queries) {
          const wanted = newest.filter((job) => (query.states as readonly string[]).includes(job.state) || query.states.length === 0);
          const inNamespace = wanted.filter((job) => query.namespace === undefined || job.spec.namespace === query.namespace);
          const found: Job[] = [];
          for (;;) {
            const page = await store.listJobs({ ...query, before: found.at(-1)?.id, limit: 7 });
            found.push(...page);
            if (page.length < 7) break;
          }
          expect(found).toEqual(inNamespace);
        }
      });

      test("are paged without doubles or losses while others are written", async () => {
        const jobs = Array.from({ length: 40 }, () => aJob());
        await commit({ jobs });
        const seen: JobId[] = [];
        for (let page = 0; page < 4; page++) {
          const found = await store.listJobs({ states: ["pending", "running"], namespace: undefined, before: seen.at(-1), limit: 10 });
          seen.push(...found.map(({ id }) => id));
          const moved = jobs.slice(page * 10, page * 10 + 10).map((job) => ({ ...job, state: "running" as const }));
          await commit({ jobs: [...moved, aJob()] });
        }
        expect(seen).toEqual(jobs.map(({ id }) => id).toReversed());
      });

      test("move between the lists when their state changes", async () => {
        const job = aJob();
        await commit({ jobs: [job] });
        await commit({ jobs: [{ ...job, state: "running" }] });
        await commit({ jobs: [ended(job, 5_000)] });
        const list = async (state: Job["state"]): Promise<number> =>
          (await store.listJobs({ states: [state], namespace: "default", before: undefined, limit: 9 })).length;
        expect([await list("pending"), await list("running"), await list("completed")]).toEqual([0, 0, 1]);
        expect(await store.listEndedJobIds(6_000, 9)).toEqual([job.id]);
        await commit({ jobs: [{ ...job, version: 2 }] });
        expect([await list("pending"), await list("completed")]).toEqual([1, 0]);
        expect(await store.listEndedJobIds(6_000, 9)).toEqual([]);
        expect(await store.countJobs()).toBe(1);
      });

      test("that ended are listed oldest end first, strictly before a time", async () => {
        const [late, early, middle] = [ended(aJob(), 3_000), ended(aJob(), 1_000), ended(aJob(), 2_000)];
        await commit({ jobs: [late, early, middle, aJob()] });
        expect(await store.listEndedJobIds(3_000, 9)).toEqual([early.id, middle.id]);
        expect(await store.listEndedJobIds(3_001, 9)).toEqual([early.id, middle.id, late.id]);
        expect(await store.listEndedJobIds(3_001, 1)).toEqual([early.id]);
      });
    });

    test("executions are found by id and listed page by page", async () => {
      const [job, other] = [aJob(), aJob()];
      const executions = Array.from({ length: 25 }, (_, partition) => anExecution(job, { partition }));
      await commit({ jobs: [job, other], executions: [...executions, anExecution(other)] });
      expect(await store.getExecution(executions[3]!.id)).toEqual(executions[3]);
      expect(await store.getExecution(anExecution(job).id)).toBeUndefined();
      const first = await store.listExecutions(job.id, undefined, 10);
      const rest = await store.listExecutions(job.id, first.at(-1)?.id, 100);
      expect([...first, ...rest]).toEqual(executions);
      expect(await store.listExecutions(job.id, rest.at(-1)?.id, 100)).toEqual([]);
    });

    test("nodes are replaced, listed and removed", async () => {
      const node = aNode();
      await commit({ nodes: [node] });
      const drained = { ...node, isDraining: true };
      await commit({ nodes: [drained] });
      expect(await store.listNodes()).toEqual([drained]);
      await commit({ removedNodeIds: [node.id] });
      expect(await store.listNodes()).toEqual([]);
    });

    test("requests keep their fingerprint until they expire", async () => {
      const job = aJob();
      const request = aRequest(job, harness);
      await commit({ jobs: [job], requests: [request] });
      expect(await store.getRequest("r1")).toEqual(request);
      expect(await store.getRequest("r2")).toBeUndefined();
      harness.advanceClock(60_001);
      expect(await store.getRequest("r1")).toBeUndefined();
      const again = { ...aRequest(job, harness), fingerprint: "other" };
      await commit({ requests: [again] });
      expect(await store.getRequest("r1")).toEqual(again);
    });

    describe("events", () => {
      test("are read in order, from anywhere, for all and for one job", async () => {
        const [job, other] = [aJob(), aJob()];
        const change = await commit({
          jobs: [job, other],
          events: Array.from({ length: 50 }, (_, i) => anEvent(i + 1, [job.id, other.id, undefined][i % 3])),
        });
        expect(await store.listEvents(0, 100)).toEqual(change.events);
        expect(await store.listEvents(20, 5)).toEqual(change.events.slice(20, 25));
        expect(await store.listEvents(50, 5)).toEqual([]);
        const ofJob = change.events.filter((event) => event.jobId === job.id);
        expect(await store.listJobEvents(job.id, 0, 100)).toEqual(ofJob);
        expect(await store.listJobEvents(job.id, ofJob[3]!.sequence, 2)).toEqual(ofJob.slice(4, 6));
        expect(await store.eventRange()).toEqual({ firstSequence: 1, lastSequence: 50 });
      });

      test("wake those who wait, and only when they are new", async () => {
        await commit({ jobs: [aJob()] });
        await store.waitForEvents(0, AbortSignal.timeout(10_000));
        const woken: number[] = [];
        const waits = [1, 1, 2].map((after) => store.waitForEvents(after, AbortSignal.timeout(10_000)).then(() => woken.push(after)));
        await commit({ jobs: [aJob()] });
        await Promise.all(waits.slice(0, 2));
        expect(woken).toEqual([1, 1]);
        await commit({ jobs: [aJob()] });
        await Promise.all(waits);
      });

      test("that nobody awaits any more end the wait", async () => {
        const controller = new AbortController();
        const wait = store.waitForEvents(0, controller.signal);
        controller.abort();
        await wait;
        await store.waitForEvents(0, controller.signal);
      });
    });

    describe("removal", () => {
      test("takes a job with its executions, events and index entries", async () => {
        const [gone, kept] = [ended(aJob({ name: "gone" }), 1_000), ended(aJob({ name: "kept" }), 1_000)];
        const execution = anExecution(gone);
        await commit({ jobs: [gone, kept], executions: [execution, anExecution(kept, { state: "completed" })] });
        await commit({ removedJobIds: [gone.id, aJob().id] });
        expect(await store.getJob(gone.id)).toBeUndefined();
        expect(await store.getExecution(execution.id)).toBeUndefined();
        expect(await store.listExecutions(gone.id, undefined, 9)).toEqual([]);
        expect(await store.listJobEvents(gone.id, 0, 9)).toEqual([]);
        expect(await store.findJobIdsByName("gone", 9)).toEqual([]);
        expect(await store.findJobIds("j-", 9)).toEqual([kept.id]);
        expect(await store.listJobs({ states: [], namespace: undefined, before: undefined, limit: 9 })).toEqual([kept]);
        expect(await store.listEndedJobIds(9_000, 9)).toEqual([kept.id]);
        expect((await store.loadLive()).executions).toEqual([]);
        expect(await store.countJobs()).toBe(1);
        expect(await store.listJobEvents(kept.id, 0, 9)).toHaveLength(1);
      });

      test("leaves a log without gaps that says where it begins", async () => {
        const jobs = Array.from({ length: 6 }, () => ended(aJob(), 1_000));
        await commit({ jobs });
        await commit({ events: [anEvent(++sequence), anEvent(++sequence, jobs[0]!.id)] });
        await commit({ removedJobIds: [jobs[1]!.id, jobs[3]!.id] });
        expect(await store.eventRange()).toEqual({ firstSequence: 5, lastSequence: 8 });
        expect((await store.listEvents(0, 99)).map((event) => event.sequence)).toEqual([5, 6, 7, 8]);
        expect((await store.listJobEvents(jobs[0]!.id, 0, 99)).map((event) => event.sequence)).toEqual([1, 8]);
        const everything = jobs.map(({ id }) => id);
        await commit({ removedJobIds: everything, events: [anEvent(++sequence, jobs[5]!.id)] });
        expect(await store.eventRange()).toEqual({ firstSequence: 9, lastSequence: 9 });
        expect((await store.listEvents(0, 99)).map((event) => event.sequence)).toEqual([9]);
        expect(await store.listJobEvents(jobs[5]!.id, 0, 99)).toEqual([]);
      });
    });
  });
}

async function take(store: StateStore, holder: string): Promise<number> {
  const answer = await store.acquireLease({ holder, ttlMs: 30_000 });
  if (!answer.isHeld) throw new Error(`${answer.holder} has the lease`);
  return answer.term;
}

function ended(job: Job, endedAtMs: number): Job {
  return { ...job, state: "completed", endedAtMs };
}

function aRequest(job: Job, harness: StateStoreHarness): StateChange["requests"][number] {
  return { requestId: "r1", fingerprint: "f", jobId: job.id, expiresAtMs: harness.nowMs() + 60_000 };
}

function byId(jobs: readonly Job[]): Job[] {
  return jobs.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
