import type { MessageInitShape } from "@bufbuild/protobuf";
import { DomainError, NO_NODE_NETWORK } from "@skrei/domain";
import type { EgressExplanation, ExecutionId, ExecutionState, Job, NetworkUse, NodeNetwork } from "@skrei/domain";
import { Execution_State } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { type JobSpecSchema, Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aJob, aNode } from "../../../../test/contract/state-store-records.ts";
import { brokenRules } from "../../../../test/kit/event-log-rules.ts";
import { eventually } from "../../../../test/kit/eventually.ts";
import { type ApiCluster, type JoinedNode, startApiCluster } from "../../../../test/kit/scheduler-api.ts";
import { aUse } from "../../../../test/kit/scheduler-records.ts";

const HTTP: NodeNetwork = {
  ...NO_NODE_NETWORK,
  modes: ["none", "http"],
  domains: [".example"],
  domainCount: 1,
  policyDigest: "1",
  problem: "",
};
const NETWORK = { mode: Network_Mode.HTTP, domains: ["a.example.com"] };
const REFUSED = { reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message: "b.example is not on the list" };
const ALLOWED: EgressExplanation = {
  isAllowed: true,
  reason: "",
  message: "rule a.example.com of the job and .example.com of the node",
  hint: "",
  host: "a.example.com",
  port: 443,
  jobRule: "a.example.com",
  nodeRule: ".example.com",
  addresses: [{ address: "93.184.216.34", addressClass: "public", isAllowed: true }],
};

let cluster: ApiCluster;
let node: JoinedNode;
beforeAll(async () => {
  cluster = await startApiCluster();
  node = await cluster.join("n1", HTTP);
});
afterAll(() => cluster[Symbol.asyncDispose]());

function spec(change: object = {}): MessageInitShape<typeof JobSpecSchema> {
  return { task: { engine: { case: "docker", value: { image: "debian:13" } }, network: NETWORK }, ...change };
}

/** Ids of the executions of a new job, all of them running. */
async function running(own: ApiCluster, on: JoinedNode, change: object = {}): Promise<{ jobId: string; ids: readonly ExecutionId[] }> {
  const { job } = await own.jobs.submitJob({ spec: spec(change) });
  const jobId = job?.jobId ?? "";
  const placed = (): ExecutionId[] =>
    [...own.agents.assignments.values()].flatMap((one) => (one.job.jobId === jobId ? one.executionId : []));
  const ids = await eventually(placed, ({ length }) => length === job?.spec?.count, { withinMs: 5_000 });
  await on.report(ids.map((executionId) => reportOf(executionId, "running")));
  return { jobId, ids: ids.toSorted() };
}

function reportOf(executionId: ExecutionId, state: ExecutionState, networkUse?: NetworkUse) {
  return { executionId, epoch: 1, state, ...(networkUse !== undefined && { networkUse }) };
}

describe("what executions do on the network", () => {
  test("is listed of all that run, page by page, and of one job with what has ended", async () => {
    await using own = await startApiCluster();
    const on = await own.join("n1", HTTP);
    const { jobId, ids } = await running(own, on, { name: "one", count: 3 });
    await running(own, on, { name: "quiet", task: { engine: { case: "docker", value: { image: "debian:13" } } } });
    const [first, second] = ids;
    if (first === undefined || second === undefined) throw new Error("no executions");
    await on.report([reportOf(first, "running", aUse({ host: "a.example.com", requests: 2, sentBytes: 7 }))]);
    await on.report([reportOf(second, "failed", aUse({ host: "b.example", denied: 3, ...REFUSED }))]);
    const page = await own.network.listNetworkUse({ pageSize: 1 });
    expect(page.executions).toMatchObject([
      {
        executionId: first,
        jobId,
        jobName: "one",
        nodeId: on.nodeId,
        nodeName: "n1",
        state: Execution_State.RUNNING,
        network: NETWORK,
        use: { requests: 2n, sentBytes: 7n, hosts: [{ host: "a.example.com", requests: 2n }] },
      },
    ]);
    const rest = await own.network.listNetworkUse({ pageToken: page.nextPageToken });
    expect([...page.executions, ...rest.executions].map(({ executionId }) => executionId)).not.toContain(second);
    const ofJob = await own.network.listNetworkUse({ jobId: "one", pageSize: 2 });
    expect(ofJob.executions.map(({ executionId, use }) => [executionId, use?.denied])).toEqual([
      [first, 0n],
      [second, 3n],
    ]);
    expect((await own.network.listNetworkUse({ jobId: "one", pageToken: ofJob.nextPageToken })).executions.length).toBeGreaterThan(0);
    expect((await own.network.listNetworkUse({ jobId: "quiet" })).executions).toEqual([]);
  });

  test("is told as events: a host at its first refusal, and its sum at the end; the books stay right", async () => {
    await using own = await startApiCluster();
    const on = await own.join("n1", HTTP);
    const { jobId, ids } = await running(own, on, { retry: { attemptsMax: 1 } });
    const [id] = ids;
    if (id === undefined) throw new Error("no execution");
    const denied = (times: number): NetworkUse => aUse({ host: "b.example", denied: times, ...REFUSED });
    for (const use of [denied(1), denied(5), denied(2)]) await on.report([reportOf(id, "running", use)]);
    await on.report([reportOf(id, "failed", denied(17))]);
    await on.report([reportOf(id, "running", denied(99)), reportOf(id, "failed", denied(99))]);
    const { events } = await own.jobs.listJobEvents({ jobId });
    const told = events.filter(({ executionId }) => executionId === id).map(({ type, reason, message }) => [type, reason, message]);
    expect(told.slice(-3)).toMatchObject([
      ["execution.egress_denied", REFUSED.reason, REFUSED.message],
      ["execution.egress_denied", REFUSED.reason, `17 requests to b.example were refused, the last one: ${REFUSED.message}`],
      ["execution.failed", "", ""],
    ]);
    expect(told.filter(([type]) => type === "execution.egress_denied")).toHaveLength(2);
    expect((await own.jobs.listExecutions({ jobId })).executions[0]?.networkUse?.denied).toBe(17n);
    const job = await own.store.getJob(jobId as never);
    const truth = {
      events: await own.store.listEvents(0, 1_000),
      jobs: job === undefined ? [] : [job],
      executions: await own.store.listExecutions(jobId as never, undefined, 10),
      nodes: await own.store.listNodes(),
    };
    expect(brokenRules(truth)).toEqual([]);
  });

  test("is counted without an event, a change of the job or a message to the node", async () => {
    const { jobId, ids } = await running(cluster, node);
    const [id] = ids;
    if (id === undefined) throw new Error("no execution");
    const before = { job: (await cluster.jobs.getJob({ jobId })).job, range: await cluster.store.eventRange() };
    let messages = 0;
    const { assign } = cluster.agents;
    cluster.agents.assign = (to, set, signal) => {
      messages += 1;
      return assign(to, set, signal);
    };
    for (let requests = 1; requests <= 50; requests++) {
      await node.report([reportOf(id, "running", aUse({ host: "a.example.com", requests }))]);
    }
    cluster.agents.assign = assign;
    expect((await cluster.store.getExecution(id))?.networkUse?.requests).toBe(50);
    expect((await cluster.jobs.getJob({ jobId })).job).toEqual(before.job);
    expect(await cluster.store.eventRange()).toEqual(before.range);
    expect(messages).toBe(0);
  });
});

describe("watching what executions do", () => {
  test.each([["all"], ["one job"]])("of %s gives what there is, synced, then what changes, and how it ended", async (what) => {
    await using own = await startApiCluster();
    const on = await own.join("n1", HTTP);
    const { jobId, ids } = await running(own, on, { name: "one", retry: { attemptsMax: 1 } });
    const watch = own.network.watchNetworkUse({ jobId: what === "all" ? "" : "one" })[Symbol.asyncIterator]();
    const [id] = ids;
    if (id === undefined) throw new Error("no execution");
    expect((await next(watch)).executions).toMatchObject([{ executionId: id, jobId, nodeName: "n1" }]);
    expect(await next(watch)).toMatchObject({ executions: [], synced: true });
    await on.report([reportOf(id, "running", aUse({ host: "a.example.com", requests: 1 }))]);
    expect(await next(watch)).toMatchObject({ executions: [{ executionId: id, use: { requests: 1n } }], synced: false });
    await on.report([reportOf(id, "failed", aUse({ host: "a.example.com", requests: 4 }))]);
    expect(await next(watch)).toMatchObject({ executions: [{ executionId: id, state: Execution_State.FAILED, use: { requests: 4n } }] });
    await watch.return?.();
  });

  test("of one job gives what ended before, and what came and ended between two looks", async () => {
    await using own = await startApiCluster();
    const on = await own.join("n1", HTTP);
    const { jobId, ids } = await running(own, on, { name: "one", retry: { attemptsMax: 1 } });
    await on.report(ids.map((id) => reportOf(id, "failed")));
    const watch = own.network.watchNetworkUse({ jobId: "one" })[Symbol.asyncIterator]();
    expect((await next(watch)).executions.map(({ executionId }) => executionId)).toEqual(ids);
    expect((await next(watch)).synced).toBe(true);
    const { job } = await eventually(
      () => own.jobs.getJob({ jobId }),
      (answer) => answer.job?.endTime !== undefined,
      { withinMs: 5_000 },
    );
    expect(job?.jobId).toBe(jobId);
    await own.jobs.rerunJob({ jobId });
    const later = (): ExecutionId | undefined => [...own.agents.assignments.keys()].find((id) => !ids.includes(id));
    const second = await eventually(later, (id) => id !== undefined, { withinMs: 5_000 });
    if (second === undefined) throw new Error("no execution");
    // Nobody reads meanwhile.
    await on.report([reportOf(second, "failed", aUse({ host: "b.example", denied: 1, ...REFUSED }))]);
    expect((await next(watch)).executions).toMatchObject([{ executionId: second, state: Execution_State.FAILED, use: { denied: 1n } }]);
    await watch.return?.();
  });

  test("gives a slow reader each execution once, as it is then", async () => {
    const { ids } = await running(cluster, node, { name: "slow", count: 5 });
    const watch = cluster.network.watchNetworkUse({ jobId: "slow" })[Symbol.asyncIterator]();
    expect((await next(watch)).executions).toHaveLength(5);
    expect((await next(watch)).synced).toBe(true);
    for (let requests = 1; requests <= 40; requests++)
      await node.report(ids.map((id) => reportOf(id, "running", aUse({ host: "a.example.com", requests }))));
    const seen = await next(watch);
    expect(seen.executions.map(({ use }) => use?.requests)).toEqual([40n, 40n, 40n, 40n, 40n]);
    await watch.return?.();
  });

  test("is refused for a job that there is none of, as a page of another list is", async () => {
    expect(await failureOf(next(cluster.network.watchNetworkUse({ jobId: "nothing" })[Symbol.asyncIterator]()))).toMatchObject({
      reason: "JOB_NOT_FOUND",
    });
    expect(await failureOf(cluster.network.listNetworkUse({ pageToken: "x" }))).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  });
});

describe("explaining a request", () => {
  test("asks the node that runs the job, about that execution", async () => {
    const { ids } = await running(cluster, node, { name: "asking" });
    const asked: unknown[] = [];
    cluster.agents.explain = ({ nodeId }, request) => {
      asked.push([nodeId, request]);
      return Promise.resolve(ALLOWED);
    };
    const { nodes } = await cluster.network.explainEgress({ url: "a.example.com/x", jobId: "asking" });
    expect(nodes).toMatchObject([
      { nodeId: node.nodeId, nodeName: "n1", problem: "", explanation: { allowed: true, port: 443, jobRule: "a.example.com" } },
    ]);
    expect(asked).toEqual([
      [
        node.nodeId,
        {
          url: "https://a.example.com/x",
          network: { mode: "http", domains: ["a.example.com"], egressBytesMax: 0 },
          executionId: ids[0],
        },
      ],
    ]);
  });

  test("asks up to 8 connected nodes when none runs it, those first that offer the mode, and says who did not answer", async () => {
    await using own = await startApiCluster();
    for (let i = 0; i < 9; i++) await own.join(`a${i}`, NO_NODE_NETWORK);
    const offering = await own.join("z", HTTP);
    own.agents.explain = ({ nodeId }) =>
      nodeId === offering.nodeId
        ? Promise.resolve({ ...ALLOWED, isAllowed: false, reason: "EGRESS_HOST_NOT_ON_NODE_LIST" })
        : Promise.reject(new DomainError("timeout", "DEADLINE_EXCEEDED", "The call ran out of time."));
    const { nodes } = await own.network.explainEgress({ url: "https://a.example.com", network: NETWORK });
    expect(nodes.map(({ nodeName }) => nodeName)).toEqual(["a0", "a1", "a2", "a3", "a4", "a5", "a6", "z"]);
    expect(nodes[0]).toMatchObject({ problem: "The call ran out of time." });
    expect(nodes[0]?.explanation).toBeUndefined();
    expect(nodes[7]).toMatchObject({ problem: "", explanation: { allowed: false, reason: "EGRESS_HOST_NOT_ON_NODE_LIST" } });
    const one = await own.network.explainEgress({ url: "https://a.example.com", network: NETWORK, nodeId: "a3" });
    expect(one.nodes.map(({ nodeName }) => nodeName)).toEqual(["a3"]);
  });

  test("takes only an http URL, and either a job or a network", async () => {
    const url = "https://a.example.com";
    for (const [request, reason] of [
      [{ url: "ftp://a.example.com", network: NETWORK }, "FIELD_INVALID"],
      [{ url: "https://me:secret@a.example.com", network: NETWORK }, "FIELD_INVALID"],
      [{ network: NETWORK }, "FIELD_REQUIRED"],
      [{ url }, "FIELD_REQUIRED"],
      [{ url, jobId: "asking", network: NETWORK }, "FIELD_INVALID"],
      [{ url, network: { mode: Network_Mode.HTTP, domains: ["*"] } }, "FIELD_INVALID"],
      [{ url, jobId: "nothing" }, "JOB_NOT_FOUND"],
      [{ url, network: NETWORK, nodeId: "nothing" }, "NODE_NOT_FOUND"],
    ] as const) {
      expect(await failureOf(cluster.network.explainEgress(request as object))).toMatchObject({ reason });
    }
  });
});

describe("a list that no node covers", () => {
  const refusal = { partitions: 0, reason: "NETWORK_DOMAIN_NOT_ALLOWED" as const, message: "a.example.com is not on the node's list" };

  test("is said at once of the job and in a plan, and the job is placed when a node's policy changes", async () => {
    await using own = await startApiCluster();
    const on = await own.join("n1", HTTP);
    const { ask } = own.agents;
    own.agents.ask = (_to, asks) =>
      Promise.resolve(asks.map(({ askId }) => ({ askId, ...refusal, missingBytes: 0, isImageMissing: false, queuedExecutions: 0 })));
    const { job } = await own.jobs.submitJob({ spec: spec() });
    const jobId = job?.jobId ?? "";
    const waiting = await eventually(
      async () => (await own.jobs.getJob({ jobId })).job?.waiting,
      (found) => found?.impossible === true,
      { withinMs: 5_000 },
    );
    const { reason, message } = refusal;
    expect(waiting?.reasons).toMatchObject([{ reason, message, nodes: 1 }]);
    expect((await own.jobs.planJob({ spec: spec() })).nodes).toMatchObject([{ partitions: 0, reason, message, fitsWhenIdle: false }]);
    own.agents.ask = ask;
    await on.offer({ ...HTTP, policyDigest: "2" });
    await eventually(
      () => own.agents.assignments.size,
      (size) => size === 1,
      { withinMs: 5_000 },
    );
    expect((await own.nodes.getNode({ nodeId: "n1" })).node?.network?.policyDigest).toBe("2");
    const updates = (await own.store.listEvents(0, 1_000)).filter(({ type }) => type === "node.updated");
    expect(updates).toHaveLength(1);
  });
});

test("a node that an earlier version stored offers no network, a job of it has none, and neither breaks anything", async () => {
  const { network: _, ...old } = aNode({ name: "old" });
  const job = aJob({ name: "old" });
  const task = { ...job.spec.task, network: { mode: "none" as const } };
  await using own = await startApiCluster({
    prepare: async (store) => {
      const lease = await store.acquireLease({ holder: "earlier", ttlMs: 60_000 });
      const jobs = [{ ...job, spec: { ...job.spec, task } }] as unknown as readonly Job[];
      const nothing = { jobs, executions: [], requests: [], events: [], removedJobIds: [], removedNodeIds: [] };
      await store.commit({ ...nothing, term: lease.isHeld ? lease.term : 0, nodes: [old as typeof old & { network: NodeNetwork }] });
      await store.releaseLease("earlier");
    },
  });
  expect((await own.nodes.listNodes({})).nodes).toMatchObject([{ name: "old", network: { modes: [Network_Mode.NONE], domains: [] } }]);
  expect((await own.jobs.getJob({ jobId: "old" })).job?.spec?.task?.network).toMatchObject({ mode: Network_Mode.NONE, domains: [] });
  const submitted = await own.jobs.submitJob({ spec: spec() });
  const read = async () => (await own.jobs.getJob({ jobId: submitted.job?.jobId ?? "" })).job?.waiting;
  expect(await eventually(read, (found) => found !== undefined, { withinMs: 5_000 })).toMatchObject({ impossible: true });
});

async function next<T>(stream: AsyncIterator<T>): Promise<T> {
  const { value, done } = await stream.next();
  if (done === true) throw new Error("the stream ended");
  return value;
}

async function failureOf(call: Promise<unknown>): Promise<DomainError> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: DomainError) => error,
  );
}
