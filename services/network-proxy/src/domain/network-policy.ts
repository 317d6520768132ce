import { DomainError, type NetworkMode } from "@skrei/domain";

/** What this node's operator permits. */
export interface NetworkPolicy {
  /** Modes that tasks may ask for here. */
  readonly modes: readonly NetworkMode[];
}

/** Whether a door may be opened. */
export type DoorDecision =
  | { readonly verdict: "open"; readonly mode: NetworkMode }
  | { readonly verdict: "refuse"; readonly reason: "mode-not-offered" };

/** Decides for a mode as asked for; undefined is one that a newer peer knows. */
export function decideDoor(policy: NetworkPolicy, mode: NetworkMode | undefined): DoorDecision {
  if (mode === undefined || !policy.modes.includes(mode)) return { verdict: "refuse", reason: "mode-not-offered" };
  return { verdict: "open", mode };
}

/** The refusal in words. */
export function modeNotOffered({ modes }: NetworkPolicy, asked: string): DomainError {
  return new DomainError("precondition", "NETWORK_MODE_NOT_OFFERED", `This node does not offer the network mode ${asked}.`, {
    hint: "Ask for one of the modes that are offered, or constrain the job to a node that offers it.",
    metadata: { offered: modes.join(", ") },
  });
}
