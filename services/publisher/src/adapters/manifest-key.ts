import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { DomainError } from "@skrei/domain";
import type { ManifestSigner } from "../ports.ts";

/** Signs with the Ed25519 key in a PEM file; with `mayCreate` a missing file is made, readable by its owner only. @throws DomainError invalid/CONFIG_INVALID. */
export async function openManifestKey(path: string, { mayCreate }: { readonly mayCreate: boolean }): Promise<ManifestSigner> {
  const key = parseKey(path, await readPem(path, mayCreate));
  const publicKey = createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-PUBLIC_KEY_BYTES).toString("base64");
  return { publicKey, sign: (data) => sign(null, data, key).toString("base64") };
}

async function readPem(path: string, mayCreate: boolean): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (!mayCreate || (error as NodeJS.ErrnoException).code !== "ENOENT") throw unusable(path, error);
    const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await writeFile(path, pem, { mode: 0o600, flag: "wx", flush: true });
    return pem;
  }
}

function parseKey(path: string, pem: string): KeyObject {
  const key = tryParse(path, pem);
  if (key.asymmetricKeyType !== "ed25519") throw unusable(path, undefined);
  return key;
}

function tryParse(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, cause: unknown): DomainError {
  return new DomainError("invalid", "CONFIG_INVALID", `There is no readable Ed25519 key at ${path}.`, {
    hint: "Point nodeKeyFile at the node's key, a PKCS #8 PEM file, or leave it out.",
    cause,
  });
}

const PUBLIC_KEY_BYTES = 32;
