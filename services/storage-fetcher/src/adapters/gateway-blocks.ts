import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { DomainError } from "@skrei/domain";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import { GOOD_STANDING, type GatewayStanding, standingAfter } from "../domain/gateway-standing.ts";
import type { Clock } from "../ports.ts";
import type { AddressPolicy } from "./address-policy.ts";
import { fetchGatewayBlock, type Gateway, type GatewaySettings } from "./gateway-block.ts";
import { Slots } from "./slots.ts";

export interface GatewayBlocksOptions {
  /** In the order in which they are asked. */
  readonly gateways: readonly Gateway[];
  readonly policy: AddressPolicy;
  readonly redirectPolicy: AddressPolicy;
  /** For one block from one gateway. */
  readonly timeoutMs: number;
  /** Rounds over all gateways before a block is given up. */
  readonly roundsMax: number;
  /** Requests under way at once, to all gateways together. */
  readonly parallelMax: number;
  readonly clock: Clock;
  /** Called when a gateway will not be asked for a while because it sent something else than was asked for. */
  readonly onMisled: (url: string, words: string) => void;
}

/** Blocks from outside the cluster: of each block the gateways are asked in turn, but for those that failed a moment ago. */
export class GatewayBlocks implements Disposable {
  readonly #options: GatewayBlocksOptions;
  readonly #settings: GatewaySettings;
  readonly #slots: Slots;
  readonly #standings: GatewayStanding[];

  constructor(options: GatewayBlocksOptions) {
    const { policy, redirectPolicy, timeoutMs, clock, parallelMax } = options;
    const agents = { http: new HttpAgent(AGENT), https: new HttpsAgent(AGENT) };
    this.#options = options;
    this.#settings = { policy, redirectPolicy, timeoutMs, agents, nowMs: () => clock.nowMs() };
    this.#slots = new Slots(parallelMax);
    this.#standings = options.gateways.map(() => GOOD_STANDING);
  }

  get parallelMax(): number {
    return this.#options.parallelMax;
  }

  /** A verified block. @throws DomainError unavailable/SOURCE_UNREACHABLE with what each gateway said. */
  async get(cid: ContentId, signal: AbortSignal): Promise<Uint8Array> {
    const { clock, gateways, roundsMax } = this.#options;
    const refusals = new Map<number, string>();
    for (let round = 1; round <= roundsMax; round++) {
      for (const index of gateways.keys()) {
        if (refusals.has(index) || this.#waitMs(index) > 0) continue;
        const outcome = await this.#ask(index, cid, signal);
        if (outcome instanceof Uint8Array) return outcome;
        if (outcome.isFinal) refusals.set(index, outcome.words);
      }
      const left = [...gateways.keys()].filter((index) => !refusals.has(index));
      const waitMs = Math.min(...left.map((index) => this.#waitMs(index)));
      if (round === roundsMax || waitMs > WAIT_MS_MAX) break;
      await clock.sleep(Math.max(waitMs, 1), signal);
    }
    throw this.#unreachable(cid, refusals);
  }

  [Symbol.dispose](): void {
    this.#settings.agents.http.destroy();
    this.#settings.agents.https.destroy();
  }

  async #ask(
    index: number,
    cid: ContentId,
    signal: AbortSignal,
  ): Promise<Uint8Array | { readonly words: string; readonly isFinal: boolean }> {
    const { clock, gateways, onMisled } = this.#options;
    const gateway = gateways[index];
    if (gateway === undefined) throw new RangeError(`no gateway ${index}`);
    using _slot = await this.#slots.take(signal);
    const askedAtMs = clock.nowMs();
    const outcome = await fetchGatewayBlock(gateway, cid, this.#settings, signal);
    if (outcome instanceof Uint8Array) {
      if (this.#waitMs(index) <= 0) this.#standings[index] = GOOD_STANDING;
      return outcome;
    }
    this.#standings[index] = standingAfter(this.#standings[index] ?? GOOD_STANDING, outcome, { askedAtMs, nowMs: clock.nowMs() });
    if (outcome.kind === "misled") onMisled(gateway.url, outcome.words);
    return { words: outcome.words, isFinal: outcome.kind === "absent" };
  }

  /** 0 or less: it may be asked. */
  #waitMs(index: number): number {
    return (this.#standings[index]?.notBeforeMs ?? 0) - this.#options.clock.nowMs();
  }

  #unreachable(cid: ContentId, refusals: ReadonlyMap<number, string>): DomainError {
    const words = this.#options.gateways.map(({ url }, index) => {
      const said = refusals.get(index) ?? this.#standings[index]?.words ?? "";
      const waitMs = refusals.has(index) ? 0 : this.#waitMs(index);
      return `${url} ${said}${waitMs > 0 ? ` and is not asked again for ${Math.ceil(waitMs / 1_000)} s` : ""}`;
    });
    return new DomainError("unavailable", "SOURCE_UNREACHABLE", `Block ${cid.toString()} cannot be had: ${words.join("; ")}.`, {
      hint: "Check the content id with another IPFS tool, and the node's ipfsGateways.",
    });
  }
}

const AGENT = { keepAlive: true, keepAliveMsecs: 5_000, maxFreeSockets: 16, timeout: 60_000 };
/** Who waits longer than this waits for nothing. */
const WAIT_MS_MAX = 10_000;
