import { DomainError, type InputSource, type InputUse } from "@skrei/domain";
import { idOf, type ExecutionRecord } from "../domain/execution-record.ts";
import { NO_DOOR, type Door, type RunSpec } from "../domain/run.ts";
import { buildRunSpec, outputFolderName } from "../domain/run-spec.ts";
import type { Executor, FetchedInput, InputRequest, OutputLog } from "../ports.ts";
import type { ExecutionParts } from "./execution-parts.ts";
import { refuseConflict, refuseMoved } from "./guard-local-paths.ts";
import { TransferNotes } from "./transfer-notes.ts";

/** Makes everything ready and launches; the record is `running` when it resolves. Begins anew whatever an earlier try had done. */
export async function prepareRun(record: ExecutionRecord, { parts, log, signal }: PrepareContext): Promise<void> {
  const { held, folders } = parts;
  const executionId = idOf(record);
  const { task } = record.assignment.job;
  const executor = executorOf(record, parts);
  held.advance(executionId, "preparing");
  await folders.create(
    executionId,
    task.outputs.map(({ name }) => outputFolderName(name)),
  );
  const sink = await log({ isFresh: true });
  // A sandbox of an earlier try may have run a little; this run begins with an empty result.
  await executor.remove(executionId);
  const [door, inputs] = await allOrNone(signal, [(both) => openDoor(record, parts, both), (both) => fetchInputs(record, parts, both)]);
  const { outputsFolder, scratchFolder } = folders.of(executionId);
  const inputsFile = await writeInputsFile(record, parts, inputs);
  const run = buildRunSpec(record.assignment, { nodeId: parts.nodeId, inputs, inputsFile, outputsFolder, scratchFolder, door });
  refuseConflict(run, parts.held);
  held.note(executionId, { run, inputs: task.inputs.map((input, index) => useOf(input, inputs[index])) });
  await refuseMoved(
    task.inputs,
    inputs,
    async (input) => await parts.inputs.fetch({ ...requestOf(record), input, onProgress: () => undefined }, signal),
  );
  const startedAtMs = await launch(run, { executor, sink, parts, signal });
  held.advance(executionId, "started", { startedAtMs });
}

interface PrepareContext {
  readonly parts: ExecutionParts;
  readonly log: (options: { readonly isFresh: boolean }) => Promise<OutputLog>;
  readonly signal: AbortSignal;
}

/** @throws DomainError unavailable/ENGINE_FAILED when this node has no such engine any more. */
export function executorOf({ assignment }: ExecutionRecord, { executors }: ExecutionParts): Executor {
  const { name } = assignment.job.task.engine;
  const executor = executors.get(name);
  if (executor === undefined) throw new DomainError("unavailable", "ENGINE_FAILED", `this node has no ${name} engine`);
  return executor;
}

/** Resolves with when the launch began. */
async function launch(
  run: RunSpec,
  {
    executor,
    sink,
    parts,
    signal,
  }: { readonly executor: Executor; readonly sink: OutputLog; readonly parts: ExecutionParts; readonly signal: AbortSignal },
): Promise<number> {
  using _place = await parts.startsGate.enter(signal);
  // The journal must know the run before it exists, so that a restarted agent can take it up.
  await allOrNone(signal, [(both) => executor.prepare(run, both), () => parts.held.durable()]);
  const startedAtMs = parts.clock.nowMs();
  await executor.launch(run, sink, signal);
  return startedAtMs;
}

/** A task without a network needs nobody for that. */
async function openDoor({ assignment }: ExecutionRecord, { doors }: ExecutionParts, signal: AbortSignal): Promise<Door> {
  const { network } = assignment.job.task;
  return network.mode === "none" ? NO_DOOR : await doors.open(assignment.executionId, network, signal);
}

async function fetchInputs(
  record: ExecutionRecord,
  { inputs, held, clock }: ExecutionParts,
  signal: AbortSignal,
): Promise<readonly FetchedInput[]> {
  const { executionId, job } = record.assignment;
  const request = requestOf(record);
  using notes = new TransferNotes({ executionId, kind: "inputs", held, clock });
  const fetches = job.task.inputs.map(
    (input, index) => (all: AbortSignal) =>
      inputs.fetch({ ...request, input, onProgress: (progress) => notes.progress(progress, index) }, all),
  );
  return await allOrNone(signal, fetches);
}

function requestOf({ assignment }: ExecutionRecord): Pick<InputRequest, "leaseId" | "bytesMax" | "partition"> {
  const { executionId, partition, job } = assignment;
  return { leaseId: executionId, bytesMax: job.task.resources.diskBytes, partition: { index: partition, count: job.partitionCount } };
}

/** Empty when no input is divided. */
async function writeInputsFile(
  { assignment }: ExecutionRecord,
  { folders }: ExecutionParts,
  inputs: readonly FetchedInput[],
): Promise<string> {
  const { executionId, partition, job } = assignment;
  const divided = inputs.flatMap(({ digest, sizeBytes, filesPath }, index) => {
    const { target = "", alias = "" } = job.task.inputs[index] ?? {};
    return filesPath === "" ? [] : [{ target, alias, digest, sizeBytes, filesPath }];
  });
  if (divided.length === 0) return "";
  return await folders.writeInputsFile(executionId, { index: partition, count: job.partitionCount }, divided);
}

/** The first failure ends the rest and is what is thrown, but not before the rest has ended: what they made can be cleared away then. */
async function allOrNone<const Starts extends readonly ((signal: AbortSignal) => Promise<unknown>)[]>(
  signal: AbortSignal,
  starts: Starts,
): Promise<{ -readonly [Key in keyof Starts]: Awaited<ReturnType<Starts[Key]>> }> {
  const failed = new AbortController();
  const all = AbortSignal.any([signal, failed.signal]);
  const running = starts.map((start) => start(all));
  try {
    return (await Promise.all(running)) as Awaited<ReturnType<typeof allOrNone<Starts>>>;
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(running);
    throw error;
  }
}

function useOf({ target }: InputSource, input: FetchedInput | undefined): InputUse {
  const { digest = "", sizeBytes = 0, movedBytes = 0 } = input ?? {};
  return { target, digest, sizeBytes, movedBytes };
}
