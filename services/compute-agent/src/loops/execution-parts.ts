import type { EngineName, NodeId } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import type { Capacity } from "../domain/capacity.ts";
import type { Clock, DoorPort, Executor, InputPort, OutputLogs, ResultPort, WorkFolders } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";
import type { Leftovers } from "./leftovers.ts";
import type { StartsGate } from "./starts-gate.ts";

/** What the steps of an execution work with. */
export interface ExecutionParts {
  readonly nodeId: NodeId;
  readonly held: HeldExecutions;
  readonly executors: ReadonlyMap<EngineName, Executor>;
  readonly inputs: InputPort;
  readonly doors: DoorPort;
  readonly results: ResultPort;
  readonly logs: OutputLogs;
  readonly folders: WorkFolders;
  readonly capacity: Capacity;
  readonly startsGate: StartsGate;
  readonly leftovers: Leftovers;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: RunnerLimits;
}

interface RunnerLimits {
  /** Between asking a task to end and killing it. */
  readonly stopGraceMs: number;
  /** How long keeping the result of a failed run may take. */
  readonly keepFailedMs: number;
  /** Bound of each call that takes away something of an ended execution. */
  readonly clearMs: number;
  /** How long an engine may be away before its runs count as failed. */
  readonly engineAwayMs: number;
}
