import type { Execution, ExecutionId, Job, JobEvent, JobId, Node, NodeId } from "@skrei/domain";
import { expect, test } from "vitest";
import { brokenRules, type StoredTruth } from "./event-log-rules.ts";
import { aUse } from "./scheduler-records.ts";

const jobId = "j-1" as JobId;
const nodeId = "n-1" as NodeId;
const need = { cpuMillis: 600, memoryBytes: 1, diskBytes: 1 };
const node = { id: nodeId, capacity: { cpuMillis: 1_000, memoryBytes: 10, diskBytes: 10 } } as Node;
const job = { id: jobId, version: 1, state: "completed", spec: { count: 1, task: { resources: need, network: { mode: "none" } } } } as Job;

function execution(id: string, extra: Partial<Execution> = {}): Execution {
  return {
    id: id as ExecutionId,
    jobId,
    jobVersion: 1,
    partition: 0,
    nodeId,
    state: "completed",
    verdict: "accepted",
    ...extra,
  } as Execution;
}

/** `from>to` of an execution, or of the job. */
function log(...moves: readonly (readonly [id: string, move: string])[]): JobEvent[] {
  return moves.map(([id, move], index) => {
    const [from = "", to = ""] = move.split(">");
    const about = id.startsWith("e-") ? { executionId: id as ExecutionId } : {};
    return { sequence: index + 1, atMs: 0, type: "x", jobId, ...about, ...(from !== "" && { from }), to };
  });
}

const good: StoredTruth = {
  jobs: [job],
  nodes: [node],
  executions: [execution("e-1")],
  events: log(
    ["j", ">pending"],
    ["e-1", ">assigned"],
    ["j", "pending>running"],
    ["e-1", "assigned>running"],
    ["e-1", "running>completed"],
    ["j", "running>completed"],
  ),
};

test("finds nothing wrong with books that are right", () => {
  expect(brokenRules(good)).toEqual([]);
});

test("a result that waits for its target takes no room", () => {
  const other = { executions: [execution("e-1"), execution("e-2", { verdict: "open", state: "assigned" })] };
  const waiting = log(["e-1", ">assigned"], ["e-1", "assigned>running"], ["e-1", "running>publishing"], ["e-2", ">assigned"]);
  const ending = log(["e-1", ">assigned"], ["e-1", "assigned>running"], ["e-2", ">assigned"]);
  expect(brokenRules({ ...good, ...other, events: waiting }).join()).not.toContain("holds");
  expect(brokenRules({ ...good, ...other, events: ending }).join()).toContain("holds 1200 millicpu");
});

const networked = { ...job, spec: { ...job.spec, task: { ...job.spec.task, network: { mode: "http" } } } } as Job;
const networkUse = aUse({ host: "a.example", denied: 2 });

/** The good log with denials of `e-1` before its end. */
function withDenials(...messages: readonly string[]): Partial<StoredTruth> {
  const denials = messages.map((message): JobEvent => {
    const [event] = log(["e-1", "running>running"]);
    return { ...event, sequence: 0, atMs: 0, type: "execution.egress_denied", message };
  });
  const events = [...good.events.slice(0, 4), ...denials, ...good.events.slice(4)];
  return {
    jobs: [networked],
    executions: [execution("e-1", { networkUse })],
    events: events.map((event, index) => ({ ...event, sequence: index + 1 })),
  };
}

test("finds nothing wrong with refusals that are told once and summed up", () => {
  expect(brokenRules({ ...good, ...withDenials("a.example is not listed", "2 requests to a.example were refused") })).toEqual([]);
});

test.each<readonly [string, Partial<StoredTruth>, string]>([
  ["a gap in the log", { events: good.events.filter(({ sequence }) => sequence !== 4) }, "sequence number 5"],
  ["two accepted results", { executions: [execution("e-1"), execution("e-2")] }, "2 accepted results"],
  ["a completed job without a result", { executions: [execution("e-1", { verdict: "rejected" })] }, "without an accepted result"],
  ["a change without an event", { executions: [execution("e-1", { state: "failed" })] }, "its events end at completed"],
  [
    "a final state that was left",
    {
      events: [
        ...good.events,
        ...log(["j", "completed>running"], ["j", "running>completed"]).map((event, index) => ({ ...event, sequence: 7 + index })),
      ],
    },
    "running does not follow completed",
  ],
  [
    "a step backwards",
    { events: [...good.events.slice(0, 5), { ...good.events[4], sequence: 6, from: "completed", to: "running" } as JobEvent] },
    "running does not follow completed",
  ],
  ["a refusal that nobody is told of", withDenials(), "nothing tells that a.example was refused"],
  [
    "a reason that nobody is told of",
    {
      ...withDenials("a.example is not listed"),
      executions: [execution("e-1", { networkUse: aUse({ host: "a.example", denied: 2, denialReasons: ["EGRESS_PORT_DENIED"] }) })],
    },
    "nothing tells that a.example was refused for EGRESS_PORT_DENIED",
  ],
  ["a refusal that is told twice", withDenials("a.example is not listed", "a.example is not listed"), "is told twice"],
  ["network use of a job without a network", { executions: [execution("e-1", { networkUse })] }, "has no network and a count"],
  [
    "more on a node than fits",
    { executions: [execution("e-1"), execution("e-2", { verdict: "open" })], events: log(["e-1", ">assigned"], ["e-2", ">assigned"]) },
    "holds 1200 millicpu",
  ],
])("finds %s", (_, change, words) => {
  expect(brokenRules({ ...good, ...change }).join("\n")).toContain(words);
});
