import { addPublisherViolations, DomainError, type Violation, Violations } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import type { PublisherConfig } from "../../config.ts";
import { type DeliveryTarget, parseTarget, resolveTarget } from "../../domain/delivery-target.ts";
import type { TargetPort, Targets } from "../../ports.ts";
import { IpfsTargetAdapter } from "./ipfs-target.ts";
import { LimitedTarget } from "./limited-target.ts";
import { LocalTargetAdapter } from "./local-target.ts";
import { S3TargetAdapter } from "./s3-target.ts";

/** The targets that the operator's settings offer. `load` reads blocks of results. @throws DomainError invalid/CONFIG_INVALID. */
export function createTargets(config: PublisherConfig, { load, logger }: { readonly load: LoadBlock; readonly logger: Logger }): Targets {
  const credentials = credentialsOf(config);
  const { targetTimeoutMs: timeoutMs, publishFolders, ipfsRpcUrl } = config;
  const ports: { readonly [Type in DeliveryTarget["type"]]: TargetPort<Extract<DeliveryTarget, { type: Type }>> } = {
    s3: limited(
      new S3TargetAdapter({
        endpoint: config.s3Endpoint ?? "",
        region: config.s3Region,
        credentials,
        buckets: config.s3Buckets,
        timeoutMs,
        load,
        onLeftover: ({ uploadId, cause }) =>
          logger.warn({ path: uploadId, err: cause }, "an upload that failed could not be removed from its bucket"),
      }),
    ),
    ipfs: limited(new IpfsTargetAdapter({ rpcUrl: ipfsRpcUrl, timeoutMs, load })),
    local: limited(new LocalTargetAdapter({ folders: publishFolders, load })),
  };
  const portOf = (target: DeliveryTarget): TargetPort => ports[target.type];
  const targets = {
    check: (target: DeliveryTarget) => portOf(target).check(target),
    deliver: async (...[delivery, signal]: Parameters<Targets["deliver"]>) => await portOf(delivery.target).deliver(delivery, signal),
    offered: [
      ...(credentials === undefined ? [] : (["s3"] as const)),
      ...(ipfsRpcUrl === undefined ? [] : (["ipfs"] as const)),
      ...(publishFolders.length === 0 ? [] : (["local"] as const)),
    ],
  };
  return { ...targets, byDefault: readDefault(config.defaultTarget, targets) };
}

function limited<Target extends DeliveryTarget>(port: TargetPort<Target>): TargetPort<Target> {
  return new LimitedTarget(port, DELIVERIES_AT_ONCE);
}

function credentialsOf({
  s3AccessKeyId: accessKeyId,
  s3SecretAccessKey: secretAccessKey,
  s3SessionToken: sessionToken,
}: PublisherConfig): { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string } | undefined {
  if (accessKeyId === "" && secretAccessKey === "") return undefined;
  if (accessKeyId === "" || secretAccessKey === "") {
    const field = accessKeyId === "" ? "s3AccessKeyId" : "s3SecretAccessKey";
    throw configInvalid([
      { field, message: "missing; credentials are both, s3AccessKeyId and s3SecretAccessKey", reason: "FIELD_REQUIRED" },
    ]);
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken !== "" && { sessionToken }) };
}

/** It has to be one that this node offers: results without a target of their own shall not fail. */
function readDefault(text: string, { check }: Pick<TargetPort, "check">): DeliveryTarget | undefined {
  const field = "defaultTarget";
  const target = parseTarget(text);
  if (target === undefined)
    throw configInvalid([{ field, message: `found "${text}"; allowed: ${ALLOWED_DEFAULTS}`, reason: "FIELD_INVALID" }]);
  const violations = new Violations();
  addPublisherViolations(target, violations);
  if (violations.count > 0) throw configInvalid(violations.all.map(({ message, reason }) => ({ field, message, reason })));
  const resolved = resolveTarget(target, undefined);
  try {
    if (resolved !== undefined) check(resolved);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw configInvalid([{ field, message: `${error.message} ${error.metadata["hint"] ?? ""}`.trim(), reason: "FIELD_INVALID" }]);
  }
  return resolved;
}

function configInvalid(violations: readonly Violation[]): DomainError {
  return new DomainError("invalid", "CONFIG_INVALID", "The publisher's targets are not set as they have to be.", { violations });
}

/** To one kind of target; an upload takes about 48 MiB of memory. */
const DELIVERIES_AT_ONCE = 4;
const ALLOWED_DEFAULTS =
  "cluster, ipfs, local:/path/{executionID}, or s3://bucket/key/{executionID} with ,opt=region=…, ,opt=endpoint=…, ,opt=encoding=…";
