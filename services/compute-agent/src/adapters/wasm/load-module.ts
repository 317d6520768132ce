import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { HostMessage, HostRun } from "./host-protocol.ts";
import { buildMountTree } from "./mount-tree.ts";
import { resolvePath } from "./path-resolver.ts";

/** A compiled module with the digest of its bytes, or the message that refuses it. */
export type LoadedModule = { readonly module: WebAssembly.Module; readonly digest: string } | (HostMessage & { type: "refused" });

/** Finds the module among the mounts, by the guest's own rules, and compiles it. */
export function loadModule(run: HostRun): LoadedModule {
  const bytes = readModule(run);
  if (!(bytes instanceof Uint8Array)) return bytes;
  try {
    return { module: new WebAssembly.Module(bytes), digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
  } catch (error) {
    if (error instanceof WebAssembly.CompileError || error instanceof RangeError)
      return invalid(`the module does not compile: ${error.message}`);
    throw error;
  }
}

function readModule(run: HostRun): Uint8Array<ArrayBuffer> | (HostMessage & { type: "refused" }) {
  const notFound = {
    type: "refused",
    reason: "MODULE_NOT_FOUND",
    message: `no input of the task is a file at ${run.entryModule}`,
  } as const;
  try {
    const path = run.entryModule.replace(/^\/+/u, "");
    const place = resolvePath(buildMountTree(run.mounts), { base: [], path, isLastFollowed: true });
    if (place.kind !== "host" || !place.stat?.isFile()) return notFound;
    if (place.stat.size > BigInt(run.moduleBytesMax)) {
      return invalid(`the module has ${place.stat.size} bytes; at most ${run.moduleBytesMax} are accepted`);
    }
    return readFileSync(place.hostPath);
  } catch {
    // Whatever keeps the path from resolving, there is no module for the task.
    return notFound;
  }
}

function invalid(message: string): HostMessage & { type: "refused" } {
  return { type: "refused", reason: "MODULE_INVALID", message };
}
