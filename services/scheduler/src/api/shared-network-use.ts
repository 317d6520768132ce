import type { Execution, ExecutionId } from "@skrei/domain";
import type { ExecutionNetworkUse } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { LeaderCommands, NetworkedExecution } from "../ports.ts";
import { networkUseMessages } from "./network-use-message.ts";
import type { NodeNames } from "./node-names.ts";

/** What all who watch have in common: made once for each change, however many they are. */
export class SharedNetworkUse {
  readonly #commands: Pick<LeaderCommands, "networkedExecutions">;
  #all: readonly NetworkedExecution[] = [];
  #live: ReadonlyMap<ExecutionId, NetworkedExecution> = new Map();
  readonly #messages = new WeakMap<Execution, ExecutionNetworkUse>();

  constructor(commands: Pick<LeaderCommands, "networkedExecutions">) {
    this.#commands = commands;
  }

  /** Those that have not ended, as they are now. */
  live(): ReadonlyMap<ExecutionId, NetworkedExecution> {
    const all = this.#commands.networkedExecutions();
    if (all !== this.#all) {
      this.#all = all;
      this.#live = new Map(all.map((one) => [one.execution.id, one]));
    }
    return this.#live;
  }

  /** One message an execution, in the same order. */
  async messages(executions: readonly NetworkedExecution[], names: NodeNames): Promise<ExecutionNetworkUse[]> {
    const unknown = executions.filter(({ execution }) => !this.#messages.has(execution));
    const made = await networkUseMessages(unknown, names);
    for (const [index, { execution }] of unknown.entries()) {
      const message = made[index];
      if (message !== undefined) this.#messages.set(execution, this.#messages.get(execution) ?? message);
    }
    return executions.flatMap(({ execution }) => this.#messages.get(execution) ?? []);
  }
}
