import { NO_NETWORK } from "@skrei/domain";
import type { Execution, ExecutionId, Job, JobId, Network } from "@skrei/domain";
import { expect, test } from "vitest";
import { aJob } from "../../../../test/contract/state-store-records.ts";
import { anExecution, aUse } from "../../../../test/kit/scheduler-records.ts";
import { NetworkedExecutions } from "./networked-executions.ts";

const HTTP: Network = { mode: "http", domains: ["a.example"], egressBytesMax: 0 };

test("has those that have a network and have not ended, in their newest state", () => {
  const jobs = new Map([entryOf("j-1", HTTP), entryOf("j-2", NO_NETWORK)]);
  const networked = new NetworkedExecutions(jobs);
  const one = anExecution({ jobId: "j-1" as JobId, state: "running" });
  const other = anExecution({ id: "e-2" as ExecutionId, jobId: "j-2" as JobId });
  expect(networked.take([one, other])).toBe(true);
  expect(networked.take([other])).toBe(false);
  const counted: Execution = { ...one, networkUse: aUse({ host: "a.example", requests: 1 }) };
  expect(networked.take([counted])).toBe(true);
  expect(networked.all()).toEqual([{ execution: counted, jobName: "noop", network: HTTP }]);
  expect(networked.all()).toBe(networked.all());
  jobs.clear();
  expect(networked.take([{ ...counted, state: "completed" }])).toBe(true);
  expect(networked.all()).toEqual([]);
});

function entryOf(id: string, network: Network): [JobId, { job: Job }] {
  const job = aJob({ id: id as JobId });
  return [job.id, { job: { ...job, spec: { ...job.spec, task: { ...job.spec.task, network } } } }];
}
