import { createPublicKey, verify } from "node:crypto";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimDataFolder } from "./data-lock.ts";
import { openNodeIdentity } from "./node-identity.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "identity-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a node stays who it is, and keeps its key to itself", async () => {
  const first = await openNodeIdentity(folder);
  const second = await openNodeIdentity(folder);
  expect({ ...second, sign: undefined }).toEqual({ ...first, sign: undefined });
  for (const file of ["node-key.pem", "node-id"]) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
});

test("nodes differ", async () => {
  const other = await openNodeIdentity(join(folder, "other"));
  const { nodeId, publicKeyBase64, markSecret } = await openNodeIdentity(folder);
  expect(other.nodeId).not.toBe(nodeId);
  expect(other.publicKeyBase64).not.toBe(publicKeyBase64);
  expect(other.markSecret).not.toBe(markSecret);
});

test("signs with the key whose public half it gives", async () => {
  const identity = await openNodeIdentity(folder);
  const key = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(identity.publicKeyBase64, "base64").toString("base64url") },
    format: "jwk",
  });
  expect(verify(null, Buffer.from("words"), key, identity.sign("words"))).toBe(true);
});

test.each(["node-key.pem", "node-id"])("says that a damaged %s is damaged, and makes no new one", async (file) => {
  await openNodeIdentity(folder);
  await writeFile(join(folder, file), "nonsense");
  await expect(openNodeIdentity(folder)).rejects.toMatchObject({ kind: "corrupt" });
});

test("a data folder has one owner at a time", () => {
  const first = claimDataFolder(folder);
  expect(() => claimDataFolder(folder)).toThrow(expect.objectContaining({ reason: "DATA_LOCKED" }));
  first[Symbol.dispose]();
  claimDataFolder(folder)[Symbol.dispose]();
});
