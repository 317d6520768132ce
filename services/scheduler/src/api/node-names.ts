import type { NodeId } from "@skrei/domain";
import type { SchedulerApiDeps } from "./deps.ts";
import { knownNodes } from "./known-nodes.ts";

/** Names of nodes by id, read again only for one that is not known yet: asking for all nodes is dear in a large cluster. */
export class NodeNames {
  readonly #names = new Map<NodeId, string>();
  readonly #deps: Pick<SchedulerApiDeps, "commands" | "store">;

  constructor(deps: Pick<SchedulerApiDeps, "commands" | "store">) {
    this.#deps = deps;
  }

  /** Makes `of` know these, as far as they exist. */
  async learn(ids: Iterable<NodeId>): Promise<void> {
    const unknown = [...ids].filter((id) => !this.#names.has(id));
    if (unknown.length === 0) return;
    for (const { id, name } of await knownNodes(this.#deps)) this.#names.set(id, name);
    for (const id of unknown) if (!this.#names.has(id)) this.#names.set(id, "");
  }

  /** Empty for a node that is gone. */
  of(id: NodeId): string {
    return this.#names.get(id) ?? "";
  }
}
