import { addResources, isExecutionEnded, isExecutionMoveForward, isJobEnded, subtractResources, NO_RESOURCES } from "@skrei/domain";
import type { Execution, ExecutionState, Job, JobEvent, JobState, Node, Resources } from "@skrei/domain";

/** What a store holds, read while nothing changes it. */
export interface StoredTruth {
  /** All of them, oldest first. */
  readonly events: readonly JobEvent[];
  readonly jobs: readonly Job[];
  readonly executions: readonly Execution[];
  readonly nodes: readonly Node[];
}

/** Every way in which the books break a promise of the design; empty when they are right. */
export function brokenRules(truth: StoredTruth): readonly string[] {
  return [
    ...gaps(truth),
    ...brokenResults(truth),
    ...brokenJobStories(truth),
    ...brokenExecutionStories(truth),
    ...brokenDenials(truth),
    ...overCapacity(truth),
  ];
}

function gaps({ events }: StoredTruth): readonly string[] {
  return events
    .flatMap(({ sequence }, index) => (sequence === index + 1 ? [] : [`event ${index + 1} has the sequence number ${sequence}`]))
    .slice(0, 1);
}

/** One accepted execution for each partition of a completed job, never two. */
function brokenResults({ jobs, executions }: StoredTruth): readonly string[] {
  const accepted = new Map<string, number>();
  for (const { jobId, jobVersion, partition, verdict } of executions) {
    const key = `${jobId} ${jobVersion} ${partition}`;
    if (verdict === "accepted") accepted.set(key, (accepted.get(key) ?? 0) + 1);
  }
  const doubled = [...accepted].filter(([, count]) => count > 1).map(([key, count]) => `${key} has ${count} accepted results`);
  const missing = jobs
    .filter(({ state }) => state === "completed")
    .flatMap(({ id, version, spec }) => Array.from({ length: spec.count }, (_, partition) => `${id} ${version} ${partition}`))
    .filter((key) => !accepted.has(key))
    .map((key) => `${key} is completed without an accepted result`);
  return [...doubled, ...missing];
}

function brokenJobStories({ jobs, events }: StoredTruth): readonly string[] {
  return jobs.flatMap(({ id, state }) => {
    const story = events.filter(({ jobId, executionId, to }) => jobId === id && executionId === undefined && to !== undefined);
    return brokenStory(id, story, {
      state,
      mayFollow: (from, { to, type }) => type === "job.rerun" || from === to || !isJobEnded(from as JobState),
    });
  });
}

function brokenExecutionStories({ executions, events }: StoredTruth): readonly string[] {
  const stories = Map.groupBy(
    events.filter(({ executionId }) => executionId !== undefined),
    ({ executionId }) => executionId,
  );
  return executions.flatMap(({ id, state }) =>
    brokenStory(id, stories.get(id) ?? [], {
      state,
      mayFollow: (from, { to }) => from === to || isExecutionMoveForward(from as ExecutionState, to as ExecutionState),
    }),
  );
}

interface StoryRule {
  /** What the record says. */
  readonly state: string;
  readonly mayFollow: (from: string, event: JobEvent) => boolean;
}

/** Each event goes on where the one before ended, and the last one ends where the record is: every change has its event. */
function brokenStory(id: string, story: readonly JobEvent[], { state, mayFollow }: StoryRule): readonly string[] {
  const broken: string[] = [];
  let at: string | undefined;
  for (const event of story) {
    if (event.from !== at && event.from !== undefined)
      broken.push(`${id}: event ${event.sequence} (${event.type}) goes on from ${event.from} but it was ${at}`);
    if (at !== undefined && !mayFollow(at, event)) broken.push(`${id}: ${event.to} does not follow ${at} (event ${event.sequence})`);
    at = event.to;
  }
  return at === state ? broken : [...broken, `${id} is ${state}, its events end at ${at}`];
}

/** Nobody counts what has no network; each host that was refused is told of, for each reason, and nothing is told twice. */
function brokenDenials({ jobs, executions, events: all }: StoredTruth): readonly string[] {
  const isClosed = new Map<string, boolean>(jobs.map(({ id, spec }) => [id, spec.task.network.mode === "none"]));
  const denials = Map.groupBy(
    all.filter(({ type }) => type === "execution.egress_denied"),
    ({ executionId }) => executionId,
  );
  return executions.flatMap(({ id, jobId, networkUse }) => {
    const events = denials.get(id) ?? [];
    const told = events.map(({ message = "" }) => message);
    const isTold = (host: string, reason: string): boolean =>
      events.some((event) => event.reason === reason && event.message?.includes(host) === true);
    const reasons =
      networkUse?.hosts.flatMap(({ host, denialReasons = [] }) => denialReasons.map((reason) => [host, reason] as const)) ?? [];
    const refused = networkUse?.hosts.filter(({ denied }) => denied > 0).map(({ host }) => host) ?? [];
    return [
      ...(networkUse !== undefined && isClosed.get(jobId) === true ? [`${id} has no network and a count of its use`] : []),
      ...refused
        .filter((host) => !told.some((message) => message.includes(host)))
        .map((host) => `${id}: nothing tells that ${host} was refused`),
      ...reasons
        .filter(([host, reason]) => !isTold(host, reason))
        .map(([host, reason]) => `${id}: nothing tells that ${host} was refused for ${reason}`),
      ...told.filter((message, index) => told.indexOf(message) < index).map((message) => `${id}: "${message}" is told twice`),
    ];
  });
}

/** Replays the log: at each event, what is placed on a node fits it. */
function overCapacity({ jobs, executions, nodes, events }: StoredTruth): readonly string[] {
  const needOf = new Map<string, Resources>(jobs.map(({ id, spec }) => [id, spec.task.resources]));
  return nodes.flatMap(({ id, capacity }) => {
    const needs = new Map(
      executions.filter(({ nodeId }) => nodeId === id).map((execution) => [execution.id, needOf.get(execution.jobId) ?? NO_RESOURCES]),
    );
    let load = NO_RESOURCES;
    return events.flatMap((event) => {
      const need = event.executionId === undefined ? undefined : needs.get(event.executionId);
      if (need !== undefined) load = loadAfter(load, event, need);
      const isOver = load.cpuMillis > capacity.cpuMillis || load.memoryBytes > capacity.memoryBytes;
      return isOver ? [`${id} holds ${load.cpuMillis} millicpu and ${load.memoryBytes} bytes after event ${event.sequence}`] : [];
    });
  });
}

/** A task that has ended and is being published needs no room any more, however long its target keeps it waiting. */
function loadAfter(load: Resources, { from, to }: JobEvent, need: Resources): Resources {
  if (to === "assigned" && from === undefined) return addResources(load, need);
  return takesRoom(from) && !takesRoom(to) ? subtractResources(load, need) : load;
}

function takesRoom(state: string | undefined): boolean {
  return state !== undefined && state !== "publishing" && !isExecutionEnded(state as ExecutionState);
}
