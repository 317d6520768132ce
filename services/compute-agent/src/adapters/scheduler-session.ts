import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Client, ConnectRouter, Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import type { Bus } from "@skrei/platform/bus.ts";
import { createClient } from "@skrei/platform/client.ts";
import { AgentService, type JoinResponse } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { nodeNetworkToProto } from "@skrei/wire/network.ts";
import { membershipFromProto, nodeDescriptionToProto, nodeEngineToProto } from "@skrei/wire/node.ts";
import { reportToProto } from "@skrei/wire/report.ts";
import type { Clock, JoinDetails, SchedulerPort, Session } from "../ports.ts";
import type { NodeIdentity } from "./node-identity.ts";

/** How to get onto the cluster's bus, as the scheduler says at the join. */
export interface BusSettings {
  readonly urls: readonly string[];
  /** Empty when it needs none. */
  readonly token: string;
  readonly cluster: string;
}

export interface SchedulerSessionOptions {
  readonly identity: NodeIdentity;
  readonly joinToken: string;
  /** One per address of the scheduler, in the order of preference. */
  readonly joinTransports: readonly Transport[];
  readonly connectBus: (settings: BusSettings, signal: AbortSignal) => Promise<Bus>;
  /** What the scheduler calls here. */
  readonly routes: (router: ConnectRouter) => void;
  readonly clock: Clock;
}

/** The scheduler over Connect: the join at whichever address answers, everything after that over the bus that it names. */
export class SchedulerSession implements SchedulerPort, AsyncDisposable {
  readonly #options: SchedulerSessionOptions;
  #next = 0;
  #link: { readonly key: string; readonly bus: Bus; readonly client: Client<typeof AgentService> } | undefined;
  #linkParts = new AsyncDisposableStack();

  constructor(options: SchedulerSessionOptions) {
    this.#options = options;
  }

  async join(node: JoinDetails, signal: AbortSignal): Promise<Session> {
    const response = await this.#joinAnywhere(node, signal);
    await this.#connect({ urls: response.busUrls, token: response.busToken, cluster: response.cluster }, signal);
    return {
      epoch: Number(response.epoch),
      session: response.session,
      heartbeatIntervalMs: response.heartbeatInterval === undefined ? HEARTBEAT_INTERVAL_MS : durationMs(response.heartbeatInterval),
      isApproved: membershipFromProto(response.membership) === "approved",
      clusterUrls: [...response.busUrls, response.publisherUrl, ...response.reservedUrls],
    };
  }

  async heartbeat(
    beat: Parameters<SchedulerPort["heartbeat"]>[0],
    signal: AbortSignal,
  ): Promise<{ nextIntervalMs: number; reportsAll: boolean }> {
    const { nodeId } = this.#options.identity;
    const { engines, network, ...rest } = beat;
    const answer = await this.#client().heartbeat(
      { ...rest, nodeId, engines: engines.map(nodeEngineToProto), network: nodeNetworkToProto(network) },
      { signal },
    );
    const nextIntervalMs = answer.nextInterval === undefined ? HEARTBEAT_INTERVAL_MS : durationMs(answer.nextInterval);
    return { nextIntervalMs, reportsAll: answer.reportAll };
  }

  async report({ session, reports, isComplete }: Parameters<SchedulerPort["report"]>[0], signal: AbortSignal): Promise<void> {
    const { nodeId } = this.#options.identity;
    await this.#client().report({ nodeId, session, reports: reports.map(reportToProto), complete: isComplete }, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link = undefined;
    await this.#linkParts.disposeAsync();
  }

  /** Each address once, beginning with the one that answered last; the last error is thrown. */
  async #joinAnywhere(node: JoinDetails, signal: AbortSignal): Promise<JoinResponse> {
    const { joinTransports } = this.#options;
    for (let tried = 1; ; tried++) {
      const transport = joinTransports[this.#next % joinTransports.length];
      if (transport === undefined) throw new DomainError("invalid", "CONFIG_INVALID", "there is no address of a scheduler to join");
      try {
        return await this.#joinAt(transport, node, signal);
      } catch (error) {
        signal.throwIfAborted();
        const isElsewhere = error instanceof DomainError && (error.kind === "unavailable" || error.kind === "timeout");
        if (!isElsewhere || tried >= joinTransports.length) throw error;
        this.#next++;
      }
    }
  }

  #joinAt(transport: Transport, node: JoinDetails, signal: AbortSignal): Promise<JoinResponse> {
    const { identity, joinToken, clock } = this.#options;
    const { nodeId, publicKeyBase64 } = identity;
    const joinTimeMs = clock.nowMs();
    return createClient(AgentService, transport).join(
      {
        joinToken,
        node: nodeDescriptionToProto({ nodeId, publicKeyBase64, ...node }),
        signature: identity.sign(`skrei-join:${nodeId}:${joinTimeMs}`),
        joinTimeMs: BigInt(joinTimeMs),
      },
      { signal, timeoutMs: JOIN_TIMEOUT_MS },
    );
  }

  /** Keeps the bus when the scheduler names the same one again, unless that was closed for good. */
  async #connect(settings: BusSettings, signal: AbortSignal): Promise<void> {
    const key = JSON.stringify(settings);
    if (this.#link?.key === key && this.#link.bus.state() !== "closed") return;
    await this[Symbol.asyncDispose]();
    await using undo = new AsyncDisposableStack();
    const bus = await this.#options.connectBus(settings, signal);
    undo.defer(() => bus.close());
    undo.use(await bus.serve({ kind: "node", nodeId: this.#options.identity.nodeId }, this.#options.routes));
    this.#link = { key, bus, client: createClient(AgentService, bus.transport({ kind: "scheduler" })) };
    this.#linkParts = undo.move();
  }

  #client(): Client<typeof AgentService> {
    if (this.#link !== undefined) return this.#link.client;
    throw new DomainError("precondition", "SESSION_ENDED", "this node has not joined");
  }
}

const HEARTBEAT_INTERVAL_MS = 2_000;
const JOIN_TIMEOUT_MS = 5_000;
