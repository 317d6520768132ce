import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { CarBlockIterator } from "@ipld/car";
import { S3Target_Encoding as Encoding, Publisher_Type as Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { parseCid, verifyBlock } from "@skrei/unixfs/cid.ts";
import { createS3Client } from "@skrei/s3/client.ts";
import { factsOfBlocks } from "../kit/facts-of-blocks.ts";
import { startKuboServer } from "../kit/kubo-server.ts";
import { type S3Server, startS3Server } from "../kit/s3-server.ts";
import { afterAll } from "vitest";
import { factOf, type TreeFacts, treeFacts } from "../kit/tree-facts.ts";
import { describeTarget, type TargetUnderTest } from "./target-suite.ts";

const signal = new AbortController().signal;
let s3: Promise<S3Server> | undefined;

afterAll(async () => await (await s3)?.[Symbol.asyncDispose]());

/** One for all encodings; it takes seconds to start. */
async function sharedS3Server(): Promise<S3Server> {
  s3 ??= startS3Server().then(async (server) => {
    await server.request("PUT", "results");
    return server;
  });
  return await s3;
}

describeTarget("a folder of the node", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skrei-local-"));
  const root = join(folder, "root");
  mkdirSync(root);
  return {
    settings: { publishFolders: root },
    publisher: { type: Type.LOCAL, local: { path: `${root}/{jobID}/{partition}-{executionID}` } },
    urlPrefix: `file://${root}/j-1/3-e-`,
    read: async (url) => treeFacts(fileURLToPath(url)),
    isKept: () => true,
    // As a disk that is not mounted.
    goAway: async () => renameSync(root, `${root}-away`),
    comeBack: async () => renameSync(`${root}-away`, root),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
});

describeTarget("an IPFS node", async () => {
  const kubo = await startKuboServer();
  return {
    settings: { ipfsRpcUrl: kubo.url },
    publisher: { type: Type.IPFS },
    urlPrefix: "ipfs://bafy",
    read: async (url) => {
      const cid = url.replace("ipfs://", "");
      if (!kubo.pins.has(cid)) throw new Error(`${cid} is not pinned`);
      return await factsOfBlocks(cid, kubo.blocks);
    },
    isKept: () => true,
    goAway: kubo.stop,
    comeBack: kubo.startAgain,
    [Symbol.asyncDispose]: () => kubo[Symbol.asyncDispose](),
  };
});

describeTarget("S3 as files", () => startS3Target(Encoding.FILES, readObjects));
describeTarget("S3 as tar.gz", () => startS3Target(Encoding.TAR_GZIP, async (get) => untar(gunzipSync(await get("")))));
describeTarget("S3 as tar.zst", () => startS3Target(Encoding.TAR_ZSTD, async (get) => untar(zstdDecompressSync(await get("")))));
describeTarget("S3 as CAR", () => startS3Target(Encoding.CAR, async (get) => await readCar(await get(""))));

/** `get` reads the object at the result's key with `ending` added. */
type ReadResult = (get: (ending: string) => Promise<Buffer>, list: () => Promise<readonly string[]>) => Promise<TreeFacts>;

async function startS3Target(encoding: Encoding, readResult: ReadResult): Promise<TargetUnderTest> {
  const server = await sharedS3Server();
  const { accessKeyId: s3AccessKeyId, secretAccessKey: s3SecretAccessKey } = server.credentials;
  const client = createS3Client({ endpoint: server.endpoint, credentials: server.credentials });
  const get = async (key: string): Promise<Buffer> => {
    using download = await client.getObject({ bucket: "results", key }, { signal });
    const pieces: Uint8Array[] = [];
    for await (const piece of download.body) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  return {
    settings: { s3Endpoint: server.endpoint, s3AccessKeyId, s3SecretAccessKey, targetTimeoutMs: 5_000 },
    publisher: { type: Type.S3, s3: { bucket: "results", key: "r/{date}/{jobID}-{executionID}", encoding } },
    urlPrefix: "s3://results/r/20260102/j-1-e-",
    read: async (url) => {
      const key = url.replace("s3://results/", "");
      const list = async (): Promise<string[]> => {
        const keys: string[] = [];
        for await (const object of client.listObjects({ bucket: "results", prefix: key, signal })) keys.push(object.key.slice(key.length));
        return keys;
      };
      return await readResult((ending) => get(key + ending), list);
    },
    // Objects are files; links and folders are none.
    isKept: ([, fact]) => encoding !== Encoding.FILES || / bytes /u.test(fact),
    goAway: server.kill,
    comeBack: server.startAgain,
    [Symbol.asyncDispose]: async () => client[Symbol.dispose](),
  };
}

async function readObjects(...[get, list]: Parameters<ReadResult>): Promise<TreeFacts> {
  const facts: Record<string, string> = {};
  for (const path of await list()) facts[path] = factOf(await get(path));
  return facts;
}

function untar(tar: Buffer): TreeFacts {
  const folder = mkdtempSync(join(tmpdir(), "skrei-untar-"));
  try {
    execFileSync("tar", ["-x", "-C", folder], { input: tar });
    return treeFacts(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function readCar(car: Buffer): Promise<TreeFacts> {
  const blocks = new Map<string, Uint8Array>();
  const reader = await CarBlockIterator.fromBytes(car);
  for await (const { cid, bytes } of reader) {
    verifyBlock(parseCid(cid.toString()), bytes);
    blocks.set(cid.toString(), bytes);
  }
  const [root] = await reader.getRoots();
  return await factsOfBlocks(root?.toString() ?? "", blocks);
}
