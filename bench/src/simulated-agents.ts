import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type Client, type ConnectRouter, createClient, type Transport } from "@connectrpc/connect";
import { newNodeId, type NodeId } from "@skrei/domain";
import type { Bus } from "@skrei/platform/bus.ts";
import {
  AgentControlService,
  AgentService,
  AskResponse_BidSchema,
  AskResponseSchema,
  type AssignRequest,
  AssignResponseSchema,
  type ExecutionReport,
  ExecutionReportSchema,
} from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { Execution_Desired, Execution_State } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";

const ids = { nowMs: () => Date.now(), randomBytes: () => randomBytes(10) };
const RESULT_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

/** Nodes that take every ask and complete every assignment at once: what is left is the scheduler, its store and its bus. */
export class SimulatedAgents {
  readonly #agents: SimulatedAgent[] = [];

  static async join(options: { count: number; bus: Bus; api: Transport; joinToken: string }): Promise<SimulatedAgents> {
    const agents = new SimulatedAgents();
    // One key pair for all: the scheduler only checks that a node keeps the key it came with.
    const keys = generateKeyPairSync("ed25519");
    for (let index = 0; index < options.count; index++) {
      const agent = new SimulatedAgent(options.bus);
      await agent.join({ ...options, keys });
      agents.#agents.push(agent);
    }
    return agents;
  }

  /** Heartbeats of all, spread over `intervalMs`, until aborted. */
  beat(intervalMs: number, signal: AbortSignal): void {
    const timers = this.#agents.map((agent, index) => {
      const start = setTimeout(
        () => timers.push(setInterval(() => void agent.heartbeat(), intervalMs)),
        (index * intervalMs) / this.#agents.length,
      );
      return start as NodeJS.Timeout;
    });
    signal.addEventListener("abort", () => timers.forEach((timer) => clearTimeout(timer)), { once: true });
  }
}

class SimulatedAgent {
  readonly #nodeId: NodeId = newNodeId(ids);
  readonly #bus: Bus;
  readonly #scheduler: Client<typeof AgentService>;
  #session = "";
  #token = "";
  #outbox: ExecutionReport[] = [];
  #isReporting = false;

  constructor(bus: Bus) {
    this.#bus = bus;
    this.#scheduler = createClient(AgentService, bus.transport({ kind: "scheduler" }));
  }

  async join({
    api,
    joinToken,
    keys,
  }: {
    api: Transport;
    joinToken: string;
    keys: { privateKey: KeyObject; publicKey: KeyObject };
  }): Promise<void> {
    await this.#bus.serve({ kind: "node", nodeId: this.#nodeId }, (router) => this.#routes(router));
    const joinTimeMs = Date.now();
    const jwk = keys.publicKey.export({ format: "jwk" });
    const answer = await createClient(AgentService, api).join({
      joinToken,
      joinTimeMs: BigInt(joinTimeMs),
      signature: sign(null, Buffer.from(`skrei-join:${this.#nodeId}:${String(joinTimeMs)}`), keys.privateKey),
      node: {
        nodeId: this.#nodeId,
        name: `sim-${this.#nodeId.slice(-8)}`,
        version: "0.1.0",
        publicKey: Buffer.from(jwk.x ?? "", "base64url"),
        engines: [{ name: "wasm", version: "1", available: true }],
        capacity: { cpuMillis: 64_000n, memoryBytes: 1n << 40n, diskBytes: 1n << 42n },
      },
    });
    this.#session = answer.session;
  }

  async heartbeat(): Promise<void> {
    const beat = {
      nodeId: this.#nodeId,
      session: this.#session,
      appliedToken: this.#token,
      heldDigest: "",
      executions: 0,
      engines: [{ name: "wasm", version: "1", available: true }],
    };
    await this.#scheduler.heartbeat(beat).catch(() => undefined);
  }

  #routes(router: ConnectRouter): void {
    router.service(AgentControlService, {
      ask: ({ asks }) =>
        create(AskResponseSchema, { bids: asks.map(({ askId, partitions }) => create(AskResponse_BidSchema, { askId, partitions })) }),
      assign: (request) => {
        this.#token = request.resultsIn;
        this.#complete(request);
        return create(AssignResponseSchema, { appliedToken: request.resultsIn });
      },
    });
  }

  #complete({ assignments }: AssignRequest): void {
    const nowMs = Date.now();
    const now = { seconds: BigInt(Math.floor(nowMs / 1000)), nanos: (nowMs % 1000) * 1e6 };
    for (const { executionId, epoch, desired } of assignments) {
      const state = desired === Execution_Desired.STOP ? Execution_State.CANCELLED : Execution_State.COMPLETED;
      this.#outbox.push(
        create(ExecutionReportSchema, {
          executionId,
          epoch,
          state,
          exitCode: 0,
          resultCid: RESULT_CID,
          manifestCid: RESULT_CID,
          startTime: now,
          endTime: now,
        }),
      );
    }
    void this.#report();
  }

  async #report(): Promise<void> {
    if (this.#isReporting) return;
    this.#isReporting = true;
    while (this.#outbox.length > 0) {
      const reports = this.#outbox.splice(0, 1_000);
      try {
        await this.#scheduler.report({ nodeId: this.#nodeId, session: this.#session, reports });
      } catch {
        this.#outbox.unshift(...reports);
      }
    }
    this.#isReporting = false;
  }
}
