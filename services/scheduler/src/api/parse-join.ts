import { createPublicKey, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { DomainError, labelKeyRule, labelValueRule, LIMITS, parseNodeId, Violations } from "@skrei/domain";
import { isSameSecret } from "@skrei/platform/signed-link.ts";
import type { JoinRequest } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { Node as PbNode } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { nodeDescriptionFromProto } from "@skrei/wire/node.ts";
import type { JoinCommand } from "../ports.ts";
import { boundedNodeNetwork } from "./bounded-network.ts";

/**
 * A join whose token, clock and signature are right and whose description is within bounds. The token is checked before anything
 * else, so that strangers learn nothing.
 * @throws DomainError unauthenticated/JOIN_TOKEN_INVALID, precondition/CLOCK_SKEW, unauthenticated/NODE_KEY_MISMATCH,
 *   invalid/FIELD_INVALID with all problems.
 */
export function parseJoin(request: JoinRequest, { joinToken, nowMs }: { readonly joinToken: string; readonly nowMs: number }): JoinCommand {
  if (joinToken === "" || !isSameSecret(request.joinToken, joinToken)) {
    throw new DomainError("unauthenticated", "JOIN_TOKEN_INVALID", "The join token is wrong.", {
      hint: "Copy it from the scheduler; it prints the command that adds a node.",
    });
  }
  const skewMs = Number(request.joinTimeMs) - nowMs;
  if (!(Math.abs(skewMs) <= SKEW_MS_MAX)) {
    throw new DomainError(
      "precondition",
      "CLOCK_SKEW",
      `The node's clock is ${Math.round(skewMs / 1000)} s off; at most ${SKEW_MS_MAX / 1000} s are allowed.`,
      {
        hint: "Set the clock of the node, for example with NTP.",
      },
    );
  }
  const node = checkDescription(request.node);
  if (!isSigned(node, request)) {
    throw new DomainError("unauthenticated", "NODE_KEY_MISMATCH", `The join of ${node.nodeId} is not signed with the key that it names.`, {
      hint: "Restore the node's key, or remove its data directory so that it joins as a new node.",
    });
  }
  const description = nodeDescriptionFromProto(node);
  return { ...description, network: boundedNodeNetwork(description.network), joinToken: request.joinToken };
}

function checkDescription(node: PbNode | undefined): PbNode {
  const violations = new Violations();
  if (node === undefined) violations.add("node", "missing; allowed: the node as it describes itself", "FIELD_REQUIRED");
  else addViolations(node, violations);
  if (node !== undefined && violations.count === 0) return node;
  const first = violations.all[0];
  throw new DomainError(
    "invalid",
    "FIELD_INVALID",
    `The join has a problem at ${first?.field ?? "node"}: ${first?.message ?? "unknown"}.`,
    { violations: violations.all },
  );
}

function addViolations(node: PbNode, violations: Violations): void {
  if (parseNodeId(node.nodeId) === undefined) violations.found("node.nodeId", node.nodeId, "n- and 26 characters of Crockford's base 32");
  violations.text("node.name", node.name, (name) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/u.test(name) ? undefined : "1 to 253 letters, digits, ., _ and -",
  );
  violations.text("node.version", node.version, (version) =>
    /^[\x20-\x7e]{0,64}$/u.test(version) ? undefined : "at most 64 printable characters",
  );
  if (node.publicKey.length !== 32)
    violations.found("node.publicKey", `${node.publicKey.length} bytes`, "32 bytes of a raw Ed25519 public key");
  violations.atMost("node.engines", node.engines.length, ENGINES_MAX);
  for (const field of ["cpuMillis", "memoryBytes", "diskBytes"] as const) {
    violations.integer(`node.capacity.${field}`, Number(node.capacity?.[field] ?? 0), { min: 0, max: Number.MAX_SAFE_INTEGER });
  }
  const labels = Object.entries(node.labels);
  if (!violations.atMost("node.labels", labels.length, LIMITS.labelsMax)) return;
  for (const [key, value] of labels) {
    violations.text(`node.labels[${JSON.stringify(key.slice(0, 80))}]`, key, labelKeyRule);
    violations.text(`node.labels[${JSON.stringify(key.slice(0, 80))}]`, value, labelValueRule);
  }
}

function isSigned(node: PbNode, { signature, joinTimeMs }: JoinRequest): boolean {
  const key = publicKeyOf(node.publicKey);
  return (
    key !== undefined && signature.length === 64 && verify(null, Buffer.from(`skrei-join:${node.nodeId}:${joinTimeMs}`), key, signature)
  );
}

/** Undefined for bytes that are no point of the curve. */
function publicKeyOf(raw: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(raw).toString("base64url") }, format: "jwk" });
  } catch {
    // Node throws for a malformed key; the caller refuses the join as not signed.
    return undefined;
  }
}

const SKEW_MS_MAX = 5 * 60_000;
const ENGINES_MAX = 16;
