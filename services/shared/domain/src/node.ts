import type { NodeId } from "./ids.ts";
import type { EngineName } from "./job-spec.ts";
import type { NodeNetwork } from "./network.ts";
import type { Resources } from "./resources.ts";

export type Membership = "pending" | "approved" | "rejected";
export type Connection = "connected" | "lost";

export interface NodeEngine {
  readonly name: EngineName;
  readonly version: string;
  readonly isAvailable: boolean;
  /** Why it does not answer; empty when it does. */
  readonly message: string;
}

/** A machine that runs a compute-agent. Stored as JSON; written by the leader only. */
export interface Node {
  readonly id: NodeId;
  readonly name: string;
  readonly membership: Membership;
  readonly connection: Connection;
  readonly isDraining: boolean;
  /** Rises at each join. */
  readonly epoch: number;
  /** Secret of the current session. Never leaves the scheduler but to the node itself. */
  readonly session: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly engines: readonly NodeEngine[];
  readonly network: NodeNetwork;
  readonly capacity: Resources;
  readonly version: string;
  /** Raw Ed25519 public key in base64. */
  readonly publicKeyBase64: string;
  readonly joinedAtMs: number;
  readonly revision: number;
}
