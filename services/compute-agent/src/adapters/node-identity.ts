import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, newNodeId, parseNodeId, type NodeId } from "@skrei/domain";

/** Who this node is, for as long as its data folder lives. */
export interface NodeIdentity {
  readonly nodeId: NodeId;
  /** Raw Ed25519 public key. */
  readonly publicKeyBase64: string;
  sign(data: string): Uint8Array;
  /** Known to this node only: marks what it makes in engines, so that nobody else's is taken for it. */
  readonly markSecret: string;
}

/** Reads the identity from `node-id` and `node-key.pem` of the folder, both 0600, and makes it at the first start. */
export async function openNodeIdentity(dataFolder: string): Promise<NodeIdentity> {
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const pem = await readOrCreate(join(dataFolder, "node-key.pem"), () =>
    generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  );
  const text = await readOrCreate(join(dataFolder, "node-id"), () =>
    newNodeId({ nowMs: () => Date.now(), randomBytes: () => randomBytes(10) }),
  );
  const nodeId = parseNodeId(text.trim());
  if (nodeId === undefined) throw damaged(join(dataFolder, "node-id"), undefined);
  const key = parseKey(pem, join(dataFolder, "node-key.pem"));
  return {
    nodeId,
    publicKeyBase64: rawPublicKey(key).toString("base64"),
    sign: (data) => sign(null, Buffer.from(data), key),
    markSecret: createHmac("sha256", pem).update("skrei-mark").digest("hex").slice(0, 32),
  };
}

/** Written aside and renamed: a crash leaves a whole file or none. */
async function readOrCreate(path: string, make: () => string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const text = make();
  {
    await using file = await open(`${path}.new`, "w", 0o600);
    await file.writeFile(text);
    await file.sync();
  }
  await rename(`${path}.new`, path);
  return text;
}

function parseKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw damaged(path, error);
  }
}

function damaged(path: string, cause: unknown): DomainError {
  return new DomainError("corrupt", "CONFIG_INVALID", `${path} is damaged`, {
    hint: "restore it, or remove the folder to join as a new node",
    cause,
  });
}

/** The last 32 bytes of the DER form. */
function rawPublicKey(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);
}
