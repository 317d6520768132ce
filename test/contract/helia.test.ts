import { createHash, randomBytes } from "node:crypto";
import {
  createReadStream,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { heliaOverCar, heliaOverGateway } from "../kit/helia-reader.ts";
import { publishResult, type PublishedResult } from "../kit/published-result.ts";

const MIB = 1_048_576;

let folder: string;
let expected: ReadonlyMap<string, string>;
let published: PublishedResult;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-helia-"));
  const tree = join(folder, "tree");
  makeTree(tree);
  expected = await listFolder(tree);
  published = await publishResult(tree);
});

afterAll(async () => {
  await published[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("Helia reads a published result from the gateway, block by block, each verified", async () => {
  const link = new URL(published.link());
  const helia = heliaOverGateway(link.origin, link.searchParams.get("token") ?? "");
  expect(await helia.list(published.cid)).toEqual(expected);
  expect(helia.blocks).toBeGreaterThan(6_000);
}, 300_000);

test("Helia takes in the gateway's CAR and finds the whole result in it, each block verified", async () => {
  const link = new URL(published.link());
  link.searchParams.set("format", "car");
  const { body } = await fetch(link);
  const helia = await heliaOverCar(body ?? ReadableStream.from([]));
  expect(helia.roots).toEqual([published.cid]);
  expect(await helia.list(published.cid)).toEqual(expected);
}, 120_000);

test("Helia gets nothing without a link, and nothing beside what the link is for", async () => {
  const { origin, searchParams } = new URL(published.link());
  await expect(heliaOverGateway(origin, "").list(published.cid)).rejects.toThrow(/gateway/u);
  const other = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"; // "hello world", which is not in the result
  const answer = await fetch(`${origin}/ipfs/${other}?format=raw`, {
    headers: { authorization: `Bearer ${searchParams.get("token") ?? ""}` },
  });
  expect(answer.status).toBe(403);
});

/** Every kind of node that there is: empty, one leaf, several, a tree of leaves, sharded and empty folders, links. */
function makeTree(root: string): void {
  mkdirSync(join(root, "outputs", "many"), { recursive: true });
  mkdirSync(join(root, "outputs", "empty"));
  mkdirSync(join(root, "outputs", "a", "b", "c", "d"), { recursive: true });
  writeFileSync(join(root, "stdout"), "");
  writeFileSync(join(root, "exitCode"), "0");
  for (const size of [1, MIB - 1, MIB, MIB + 1]) writeFileSync(join(root, "outputs", `of-${size}`), randomBytes(size));
  writeFileSync(join(root, "outputs", "large"), randomBytes(9 * MIB + 1));
  writeFileSync(join(root, "outputs", "a", "b", "c", "d", "naïve \u{1F41F} name"), "deep");
  symlinkSync("../stdout", join(root, "outputs", "link"));
  for (let index = 0; index < 6_000; index++)
    writeFileSync(join(root, "outputs", "many", `file-${index}-${"x".repeat(20)}`), `content ${index}`);
}

async function listFolder(root: string, path = "", found = new Map<string, string>()): Promise<Map<string, string>> {
  for (const name of readdirSync(join(root, path))) {
    const below = `${path}/${name}`;
    const status = lstatSync(join(root, below));
    if (status.isDirectory()) await listFolder(root, below, found.set(below, "/"));
    else found.set(below, status.isSymbolicLink() ? `-> ${readlinkSync(join(root, below))}` : await digestOf(join(root, below)));
  }
  return found;
}

async function digestOf(path: string): Promise<string> {
  const sha256 = createHash("sha256");
  for await (const piece of createReadStream(path)) sha256.update(piece as Buffer);
  return sha256.digest("hex");
}
