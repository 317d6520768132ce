import { DomainError, type Publisher } from "@skrei/domain";
import { type DeliveryTarget, resolveTarget } from "../domain/delivery-target.ts";
import { buildManifest, canonicalJson, type Provenance } from "../domain/manifest.ts";
import type { StagedResult } from "../domain/staged-result.ts";
import type { Clock, ContentStore, DeliveryLog, ManifestSigner, Targets, UpstreamStore } from "../ports.ts";
import { pushBlocks, type PushProgress } from "./push-blocks.ts";
import { withProgress } from "./with-progress.ts";

export type PublishEvent =
  | ({ readonly kind: "progress" } & PushProgress)
  /** The cluster's store has it; its target comes next. */
  | { readonly kind: "kept"; readonly cid: string; readonly manifestCid: string }
  | { readonly kind: "done"; readonly cid: string; readonly manifestCid: string; readonly deliveryUrl: string };

export interface PublishPorts {
  readonly store: ContentStore;
  readonly signer: ManifestSigner;
  /** Undefined when this store is the cluster's own. */
  readonly upstream: UpstreamStore | undefined;
  readonly targets: Targets;
  readonly deliveries: DeliveryLog;
  readonly clock: Clock;
}

export interface PublishRequest {
  readonly executionId: string;
  readonly provenance: Provenance;
  readonly publisher: Publisher;
}

/**
 * Signs a manifest, makes the result readable from the cluster's store, then gives it to its target. What was done is not done again:
 * repeating it gives the same manifest, and the same place at the target.
 */
export async function* publishResult(ports: PublishPorts, request: PublishRequest, signal: AbortSignal): AsyncGenerator<PublishEvent> {
  const { store, targets } = ports;
  const { executionId } = request;
  const staged = store.findStaged(executionId);
  if (staged === undefined) {
    throw new DomainError("precondition", "RESULT_NOT_STAGED", `No result of execution ${executionId} was staged here.`, {
      hint: "Stage the result folder first.",
    });
  }
  const target = resolveTarget(request.publisher, targets.byDefault);
  const manifestCid =
    staged.manifestCid === ""
      ? await store.keepManifest(executionId, signedManifest(ports.signer, staged, request.provenance))
      : staged.manifestCid;
  let pushedBytes = 0;
  for await (const { bytesDone, bytesTotal } of pushToCluster(ports, { ...staged, manifestCid }, signal)) {
    pushedBytes = bytesDone;
    yield { kind: "progress", bytesDone, bytesTotal: bytesTotal + (target === undefined ? 0 : staged.sizeBytes) };
  }
  if (target !== undefined) yield { kind: "kept", cid: staged.cid, manifestCid };
  let deliveryUrl = "";
  try {
    if (target !== undefined) deliveryUrl = yield* deliver(ports, { staged, target, request, pushedBytes }, signal);
  } catch (error) {
    if (error instanceof DomainError && error.kind === "precondition") await letGo(ports, executionId);
    throw error;
  }
  await letGo(ports, executionId);
  yield { kind: "done", cid: staged.cid, manifestCid, deliveryUrl };
}

/** Not before its target has it, refused it for good or is to have it no more: from here on the node's copy may go. */
export async function letGo({ store, upstream }: Pick<PublishPorts, "store" | "upstream">, executionId: string): Promise<void> {
  if (upstream !== undefined) await store.markPushed(executionId);
}

async function* pushToCluster(
  { store, upstream }: PublishPorts,
  { executionId, cid: root, manifestCid }: StagedResult,
  signal: AbortSignal,
): AsyncGenerator<PushProgress> {
  if (upstream === undefined) return await store.sync(executionId);
  const owner = `execution:${executionId}`;
  for (const cid of [root, manifestCid]) yield* pushBlocks(store, upstream, { cid, owner }, signal);
}

interface Delivering {
  readonly staged: StagedResult;
  readonly target: DeliveryTarget;
  readonly request: PublishRequest;
  /** To the cluster's store, before. */
  readonly pushedBytes: number;
}

async function* deliver(
  { targets, deliveries, clock }: PublishPorts,
  { staged, target, request, pushedBytes }: Delivering,
  signal: AbortSignal,
): AsyncGenerator<PublishEvent, string> {
  const { executionId, provenance } = request;
  const delivered = deliveries.find(executionId, target);
  if (delivered !== undefined) return delivered;
  targets.check(target);
  const { cid, sizeBytes } = staged;
  const result = { ...provenance, executionId, cid, sizeBytes };
  const url = yield* withProgress<PublishEvent, string>({ clock, signal }, async (tell, both) =>
    targets.deliver({ target, result, onProgress: (bytes) => tell(progressOf(pushedBytes, bytes, sizeBytes)) }, both),
  );
  deliveries.keep(executionId, target, url);
  return url;
}

/** Blocks that come twice in the result, or stand for names, are no more of it. */
function progressOf(pushedBytes: number, bytes: number, sizeBytes: number): PublishEvent {
  return { kind: "progress", bytesDone: pushedBytes + Math.min(bytes, sizeBytes), bytesTotal: pushedBytes + sizeBytes };
}

/** The signature is over the canonical JSON of `manifest` alone. */
function signedManifest(signer: ManifestSigner, staged: StagedResult, provenance: Provenance): Uint8Array {
  const manifest = buildManifest(staged, provenance);
  const value = signer.sign(new TextEncoder().encode(canonicalJson(manifest)));
  return new TextEncoder().encode(canonicalJson({ manifest, signature: { algorithm: "Ed25519", publicKey: signer.publicKey, value } }));
}
