import { DomainError } from "@skrei/domain";
import { buildManifest, canonicalJson, type Provenance } from "../domain/manifest.ts";
import type { StagedResult } from "../domain/staged-result.ts";
import type { ContentStore, ManifestSigner, UpstreamStore } from "../ports.ts";
import { pushBlocks, type PushProgress } from "./push-blocks.ts";

export type PublishEvent =
  | ({ readonly kind: "progress" } & PushProgress)
  | { readonly kind: "done"; readonly cid: string; readonly manifestCid: string };

export interface PublishPorts {
  readonly store: ContentStore;
  readonly signer: ManifestSigner;
  /** Undefined when this store is the cluster's own. */
  readonly upstream: UpstreamStore | undefined;
}

/** Signs a manifest and makes the result readable from the cluster's store. Repeating it gives the same manifest. */
export async function* publishResult(
  ports: PublishPorts,
  executionId: string,
  provenance: Provenance,
  signal: AbortSignal,
): AsyncGenerator<PublishEvent> {
  const { store, upstream } = ports;
  const staged = store.findStaged(executionId);
  if (staged === undefined) {
    throw new DomainError("precondition", "RESULT_NOT_STAGED", `No result of execution ${executionId} was staged here.`, {
      hint: "Stage the result folder first.",
    });
  }
  const manifestCid =
    staged.manifestCid === ""
      ? await store.keepManifest(executionId, signedManifest(ports.signer, staged, provenance))
      : staged.manifestCid;
  if (upstream === undefined) {
    await store.sync(executionId);
  } else {
    const owner = `execution:${executionId}`;
    for (const cid of [staged.cid, manifestCid]) {
      for await (const progress of pushBlocks(store, upstream, { cid, owner }, signal)) yield { kind: "progress", ...progress };
    }
  }
  yield { kind: "done", cid: staged.cid, manifestCid };
}

/** The signature is over the canonical JSON of `manifest` alone. */
function signedManifest(signer: ManifestSigner, staged: StagedResult, provenance: Provenance): Uint8Array {
  const manifest = buildManifest(staged, provenance);
  const value = signer.sign(new TextEncoder().encode(canonicalJson(manifest)));
  return new TextEncoder().encode(canonicalJson({ manifest, signature: { algorithm: "Ed25519", publicKey: signer.publicKey, value } }));
}
