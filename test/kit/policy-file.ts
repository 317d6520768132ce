import { rename, writeFile } from "node:fs/promises";

/** The keys of a policy file that tests set; everything else is the service's default. */
export interface PolicyKeys {
  readonly modes?: readonly ("none" | "http" | "full")[];
  readonly domains?: readonly string[];
  readonly ports?: readonly number[];
  readonly allowedNetworks?: readonly string[];
  readonly deniedNetworks?: readonly string[];
  readonly deniedDomains?: readonly string[];
  readonly rateBitsPerSecond?: number;
  readonly connectionsMax?: number;
  readonly connectTimeoutMs?: number;
}

/** JSON is YAML. Never half a file: a reader may come at any moment. */
export async function writePolicyFile(path: string, policy: PolicyKeys): Promise<void> {
  await writeFile(`${path}.part`, JSON.stringify(policy));
  await rename(`${path}.part`, path);
}
