import type { CanonicalHost } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { refusalOf } from "../domain/network-policy.ts";
import { NO_NETWORK_USE } from "../domain/use-count.ts";
import type { Clock, DoorJournal, DoorRecord, DoorRequest, DoorServer, DoorSocket, DoorState, OwnAddresses, Resolver } from "../ports.ts";
import type { EgressGate } from "./egress-gate.ts";
import { OpenDoor } from "./open-door.ts";
import type { PolicyWatch } from "./policy-watch.ts";
import { UseFeed } from "./use-feed.ts";

export interface DoorsOptions {
  readonly journal: DoorJournal;
  readonly server: DoorServer;
  readonly policy: PolicyWatch;
  readonly gate: EgressGate;
  readonly resolver: Resolver;
  readonly ownAddresses: OwnAddresses;
  /** 256 bits as text that may stand in a URL. */
  readonly newSecret: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A door that is open, with the socket that it is served on; a door of mode none has no socket. */
export interface HeldDoor {
  readonly door: OpenDoor;
  readonly socket: DoorSocket | undefined;
}

/** The doors that are open. Those with a socket are in the journal before anybody hears of them. */
export class Doors {
  readonly #options: DoorsOptions;
  readonly #held = new Map<string, HeldDoor>();
  /** What is being opened or closed, by execution: one thing after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #feed: UseFeed;
  /** Doors of the journal that could not be served again. */
  readonly #unserved = new Map<string, DoorRecord>();
  /** Doors whose journaled counts are old. */
  readonly #unsaved = new Set<string>();
  #clusterHosts: readonly CanonicalHost[] = [];

  constructor(options: DoorsOptions) {
    this.#options = options;
    this.#feed = new UseFeed(options.clock);
  }

  /** Serves the doors of the journal again, with their secrets and counts. One that cannot be served is logged and stays closed until it is asked for. */
  async restore(): Promise<void> {
    for (const record of this.#options.journal.read()) {
      try {
        await this.#serve(record);
      } catch (error) {
        const { executionId } = record;
        this.#unserved.set(executionId, record);
        this.#options.logger.error({ event: "door.failed", executionId, err: error }, "door could not be opened again");
      }
    }
  }

  /** Durable when it resolves. The same door however often. @throws DomainError as `refusalOf`, unavailable/DOOR_FAILED. */
  open(request: DoorRequest): Promise<HeldDoor> {
    return this.#inTurn(request.executionId, async () => {
      const held = this.#held.get(request.executionId);
      if (held !== undefined) return held;
      const refusal = refusalOf(this.#options.policy.policy, request.network);
      if (refusal !== undefined) throw refusal;
      const left = this.#unserved.get(request.executionId);
      if (left !== undefined) return await this.#serve(left);
      const record = { ...request, secret: this.#options.newSecret(), openedAtMs: this.#options.clock.nowMs(), use: NO_NETWORK_USE };
      return await this.#openNew(record);
    });
  }

  /** Cuts and forgets it. Undefined when there was none. */
  close(executionId: string): Promise<OpenDoor | undefined> {
    return this.#inTurn(executionId, async () => {
      const held = this.#held.get(executionId);
      if (held === undefined) {
        if (this.#unserved.delete(executionId)) this.#options.journal.remove(executionId);
        return undefined;
      }
      await held.socket?.close();
      this.#options.journal.remove(executionId);
      this.#held.delete(executionId);
      this.#unsaved.delete(executionId);
      this.#options.logger.info({ event: "door.closed", executionId }, "door closed");
      return held.door;
    });
  }

  /** The cluster's services, by whatever door told of them last. */
  clusterHosts(): readonly CanonicalHost[] {
    return this.#clusterHosts;
  }

  find(executionId: string): HeldDoor | undefined {
    return this.#held.get(executionId);
  }

  /** By execution id; of one owner, or all when it is empty. */
  list(owner: string): readonly DoorState[] {
    const held = [...this.#held.values()].filter(({ door }) => owner === "" || door.record.owner === owner);
    return held.map(stateOf).toSorted((a, b) => (a.executionId < b.executionId ? -1 : 1));
  }

  /** All doors of the owner first, then those whose use has changed. Ends when the signal does. */
  async *watch(owner: string, signal: AbortSignal): AsyncGenerator<readonly DoorState[]> {
    let isFirst = true;
    for await (const changed of this.#feed.watch(signal)) {
      const doors = this.list(owner).filter(({ executionId }) => isFirst || changed.has(executionId));
      if (isFirst || doors.length > 0) yield doors;
      isFirst = false;
    }
  }

  /** After a change of policy: what would be refused now is cut, kept connections are given up. */
  review(): void {
    for (const { door, socket } of this.#held.values()) {
      socket?.dropIdle();
      door.review();
    }
  }

  /** Writes counts that have changed until the signal ends it; a proxy that is killed loses no more than this many. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(SAVE_MS, signal).catch(() => undefined);
      this.save();
    }
  }

  save(): void {
    const uses = new Map([...this.#unsaved].flatMap((id) => this.#useOf(id)));
    this.#unsaved.clear();
    if (uses.size === 0) return;
    try {
      this.#options.journal.saveUses(uses);
    } catch (error) {
      for (const id of uses.keys()) this.#unsaved.add(id);
      this.#options.logger.error({ event: "door.unsaved", count: uses.size, err: error }, "counts of doors could not be written");
    }
  }

  /** Stops serving; the journal keeps the doors. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
    await Promise.all([...this.#held.values()].map(async ({ socket }) => await socket?.close()));
    this.save();
    this.#held.clear();
  }

  async #openNew(record: DoorRecord): Promise<HeldDoor> {
    const { executionId } = record;
    if (record.network.mode === "none") return this.#hold(new OpenDoor(record, this.#doorOptions(executionId)), undefined);
    this.#options.journal.add(record);
    try {
      const held = await this.#serve(record);
      this.#options.logger.info({ event: "door.opened", executionId, kind: record.network.mode }, "door opened");
      return held;
    } catch (error) {
      this.#options.journal.remove(executionId);
      throw error;
    }
  }

  async #serve(record: DoorRecord): Promise<HeldDoor> {
    const door = new OpenDoor(record, this.#doorOptions(record.executionId));
    return this.#hold(door, await this.#options.server.serve(door));
  }

  #hold(door: OpenDoor, socket: DoorSocket | undefined): HeldDoor {
    const held = { door, socket };
    this.#held.set(door.executionId, held);
    this.#unserved.delete(door.executionId);
    if (door.rules.clusterHosts.length > 0) this.#clusterHosts = door.rules.clusterHosts;
    return held;
  }

  #doorOptions(executionId: string): ConstructorParameters<typeof OpenDoor>[1] {
    const { gate, policy, resolver, ownAddresses, logger } = this.#options;
    const onCounted = (isUrgent: boolean): void => {
      this.#unsaved.add(executionId);
      this.#feed.changed(executionId, isUrgent);
    };
    return { gate, resolver, ownAddresses, logger, policy: () => policy.policy, onCounted };
  }

  #useOf(executionId: string): [string, DoorRecord["use"]][] {
    const held = this.#held.get(executionId);
    return held?.socket === undefined ? [] : [[executionId, held.door.count.use]];
  }

  #inTurn<T>(executionId: string, step: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(executionId) ?? Promise.resolve();
    const turn = before.then(step, step);
    this.#turns.set(executionId, turn);
    const forget = (): void => void (this.#turns.get(executionId) === turn && this.#turns.delete(executionId));
    turn.then(forget, forget);
    return turn;
  }
}

const SAVE_MS = 500;

function stateOf({ door, socket }: HeldDoor): DoorState {
  const { executionId, owner, network, openedAtMs } = door.record;
  return { executionId, owner, mode: network.mode, network, use: door.count.use, connections: socket?.connections ?? 0, openedAtMs };
}
