import { createCipheriv, hash } from "node:crypto";
import { expect, test } from "vitest";
import { rawCid } from "./cid.ts";
import { buildFileDag, buildSymlink, CHUNK_BYTES, type DagEntry } from "./file-dag.ts";
import { buildFolderDag } from "./folder-dag.ts";

// The published vectors of profile unixfs-v1-2025, as Kubo, Helia and IPIP-499 list them.
test.each([
  ["hello world", "hello world", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"],
  ["hello world with a newline", "hello world\n", "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"],
  ["an empty file", "", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
])("gives %s its published content id", (_, text, cid) => {
  expect(fileOf(Buffer.from(text)).cid.toString()).toBe(cid);
});

test("gives an empty folder its published content id", () => {
  expect(buildFolderDag([], ignore).cid.toString()).toBe("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
});

test.each([
  [CHUNK_BYTES, "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"],
  [CHUNK_BYTES + 1, "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"],
])("gives a file of %d bytes its published content id", (sizeBytes, cid) => {
  expect(fileOf(streamOf("chunk-v1-seed").take(sizeBytes)).cid.toString()).toBe(cid);
});

test.each([
  [21, "bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4"],
  [22, "bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu"],
])("turns a folder into a shard exactly beyond 262,144 bytes: last name of %d letters", (lastLetters, cid) => {
  const stream = streamOf("hamt-unixfs-v1-2025");
  const names = Array.from({ length: 4_766 }, (_, index) => stream.letters(index === 4_765 ? lastLetters : 11));
  const leaf = fileOf(Buffer.from("x"));
  expect(
    buildFolderDag(
      names.map((name) => ({ ...leaf, name })),
      ignore,
    ).cid.toString(),
  ).toBe(cid);
});

test.runIf(process.env["SKREI_TEST_LARGE"] === "1").each([
  [1_024, 0, "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"],
  [1_024, 1, "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe"],
  [1_025, 0, "bafybeihmzokxxjqwxjcryerhp5ezpcog2wcawfryb2xm64xiakgm4a5jue"],
])("gives a file of %d MiB and %d bytes its published content id", { timeout: 120_000 }, (chunks, extraBytes, cid) => {
  const stream = streamOf("v1-2025-seed");
  const leaves = Array.from({ length: chunks }, () => leafOf(stream.take(CHUNK_BYTES)));
  if (extraBytes > 0) leaves.push(leafOf(stream.take(extraBytes)));
  expect(buildFileDag(leaves, ignore).cid.toString()).toBe(cid);
});

test("a symlink is a node of its own and its target stays as it was", () => {
  const blocks: Uint8Array[] = [];
  const link = buildSymlink("../elsewhere", (_, block) => blocks.push(block));
  expect(link.dagBytes).toBe(blocks[0]?.length);
  expect(Buffer.from(blocks[0] ?? []).includes("../elsewhere")).toBe(true);
});

function fileOf(bytes: Uint8Array): DagEntry {
  const leaves: DagEntry[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += CHUNK_BYTES) leaves.push(leafOf(bytes.subarray(at, at + CHUNK_BYTES)));
  return buildFileDag(leaves, ignore);
}

function leafOf(bytes: Uint8Array): DagEntry {
  return { cid: rawCid(hash("sha256", bytes, "buffer")), sizeBytes: bytes.length, dagBytes: bytes.length };
}

/** Kubo's test data: the ChaCha20 key stream with the seed's SHA-256 as key and a zero nonce. */
function streamOf(seed: string): { take(sizeBytes: number): Buffer; letters(count: number): string } {
  const cipher = createCipheriv("chacha20", hash("sha256", seed, "buffer"), Buffer.alloc(16));
  const take = (sizeBytes: number): Buffer => cipher.update(Buffer.alloc(sizeBytes));
  const alphabet = "abcdefghijklmnopqrstuvwxyz01234567890-_";
  return { take, letters: (count) => Array.from(take(count), (byte) => alphabet[byte % alphabet.length]).join("") };
}

function ignore(): void {
  // These tests look at the content id only.
}
