import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { createS3Client, type S3Client } from "@skrei/s3/client.ts";
import { type ContentId, rawCid } from "@skrei/unixfs/cid.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../kit/embedded.ts";
import { heliaOverCar, heliaOverGateway } from "../kit/helia-reader.ts";
import { type TestGateway, startIpfsGateway } from "../kit/ipfs-gateway.ts";
import { type KuboServer, startKuboServer } from "../kit/kubo-server.ts";
import { type S3Server, startS3Server } from "../kit/s3-server.ts";

const run = promisify(execFile);
const SCRIPT = "cat /s3/words/a.txt /s3/words/b.txt /http/page.txt /ipfs/deep/page.txt /up/mine.txt | tee /out/all.txt";
const WEB_ETAG = '"1"';
const EXPECTED = "one\ntwo\nover http\nfrom ipfs\nmine\n";

let stack: AsyncDisposableStack;
let cluster: Embedded;
let s3: S3Server;
let bucket: S3Client;
let kubo: KuboServer;
let published: string;
let inputs: readonly string[];

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skrei-in-out-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  published = join(folder, "published");
  await mkdir(published);
  s3 = stack.use(await startS3Server());
  bucket = stack.use(createS3Client({ endpoint: s3.endpoint, credentials: s3.credentials }));
  for (const name of ["data-in", "data-out"]) await s3.request("PUT", name);
  const signal = AbortSignal.timeout(60_000);
  await bucket.putObject({ bucket: "data-in", key: "set/words/a.txt" }, Buffer.from("one\n"), { signal });
  await bucket.putObject({ bucket: "data-in", key: "set/words/b.txt" }, Buffer.from("two\n"), { signal });
  const [ipfsRoot, gateway] = await startGateway();
  stack.use(gateway);
  kubo = stack.use(await startKuboServer());
  const web = createServer((request, response) => {
    const isKnown = request.headers["if-none-match"] === WEB_ETAG;
    response.writeHead(isKnown ? 304 : 200, { etag: WEB_ETAG }).end(isKnown ? undefined : "over http\n");
  }).listen(0, "127.0.0.1");
  await once(web, "listening");
  stack.defer(() => void web.close());
  cluster = stack.use(
    await startEmbedded(
      ["--nodes", "1", "--log-level", "warn"],
      {},
      {
        SKREI_STANDALONE_S3_ENDPOINT: s3.endpoint,
        SKREI_STANDALONE_S3_ACCESS_KEY_ID: s3.credentials.accessKeyId,
        SKREI_STANDALONE_S3_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
        SKREI_STANDALONE_ALLOWED_PRIVATE_CIDRS: "127.0.0.0/8",
        SKREI_STANDALONE_IPFS_GATEWAYS: gateway.url,
        SKREI_STANDALONE_IPFS_RPC_URL: kubo.url,
        SKREI_STANDALONE_PUBLISH_FOLDERS: published,
      },
    ),
  );
  await mkdir(join(cluster.folder, "up"));
  await writeFile(join(cluster.folder, "up", "mine.txt"), "mine\n");
  const { port } = web.address() as AddressInfo;
  inputs = ["s3://data-in/set/:/s3", `http://127.0.0.1:${port}/page.txt:/http/page.txt`, `ipfs://${ipfsRoot}:/ipfs`, "./up:/up"];
}, 240_000);

afterAll(async () => {
  await stack.disposeAsync();
}, 60_000);

test.each([
  ["cluster", ""],
  ["s3://data-out/{jobID}/whole,opt=encoding=gzip", "whole.tar.gz"],
  ["s3://data-out/{jobID}/whole,opt=encoding=zstd", "whole.tar.zst"],
  ["s3://data-out/{jobID}/whole,opt=encoding=plain", "whole/outputs/out/all.txt"],
])("one job reads S3, the web, IPFS and an upload at once and publishes to %s", async (target, key) => {
  const { jobId, cid } = await runJob(target);
  expect(await readFromGateway(jobId, cid)).toBe(EXPECTED);
  if (key === "") return;
  const to = join(cluster.folder, "object");
  await writeFile(to, await readObject(`${jobId}/${key}`));
  if (key.endsWith(".txt")) expect(await readFile(to, "utf8")).toBe(EXPECTED);
  else expect((await run("tar", ["--extract", "--to-stdout", "--file", to, "--wildcards", "*outputs/out/all.txt"])).stdout).toBe(EXPECTED);
});

test("a CAR in S3 has the result's content id as root, and Helia finds everything in it", async () => {
  const { jobId, cid } = await runJob("s3://data-out/{jobID}/whole,opt=encoding=car");
  const car = await heliaOverCar(ReadableStream.from([await readObject(`${jobId}/whole.car`)]));
  expect(car.roots).toEqual([cid]);
  expect((await car.list(cid)).get("/outputs/out/all.txt")).toBe(hash("sha256", EXPECTED));
});

test("the operator's IPFS node has every block of the result, and pins it", async () => {
  const { cid } = await runJob("ipfs");
  expect([...kubo.pins]).toContain(cid);
  expect([...kubo.blocks.values()].map((block) => Buffer.from(block).toString())).toContain(EXPECTED);
});

test("a folder of the node gets the result as files", async () => {
  const { jobId } = await runJob(`local:${published}/{jobID}`);
  expect(await readFile(join(published, jobId, "outputs", "out", "all.txt"), "utf8")).toBe(EXPECTED);
  expect((await readdir(join(published, jobId))).toSorted()).toEqual(["exitCode", "outputs", "stderr", "stdout"]);
});

test("the bytes that a node has are not moved again, and the job says what it got", async () => {
  const { jobId } = await runJob("cluster");
  const { executions } = await createClient(JobService, createHttpTransport({ url: cluster.url })).listExecutions({ jobId });
  expect(executions[0]?.inputs.map(({ target, movedBytes, sizeBytes }) => [target, movedBytes, sizeBytes])).toEqual([
    ["/s3", 0n, 8n],
    ["/http/page.txt", 0n, 10n],
    ["/ipfs", 0n, 10n],
    ["/up", 0n, 5n],
  ]);
  const { stdout } = await cluster.runCli(["job", "describe", jobId]);
  for (const words of ["s3://data-in/set/", "page.txt", "cid:bafy"]) expect(stdout).toContain(words);
});

/** Gives the job's id and the content id of its result. */
async function runJob(target: string): Promise<{ readonly jobId: string; readonly cid: string }> {
  const flags = ["-d", "-q", "-p", target, "-o", "out:/out", ...inputs.flatMap((input) => ["-i", input])];
  const { code, stdout, stderr } = await cluster.runCli(["run", ...flags, "busybox", "--", "sh", "-c", SCRIPT]);
  expect(code, stderr).toBe(0);
  const jobId = stdout.trim();
  const ended = await cluster.runCli(["job", "wait", jobId]);
  expect(ended.code, ended.stderr).toBe(0);
  const { results } = await resultsOf().listResults({ jobId });
  return { jobId, cid: results[0]?.cid ?? "" };
}

/** By somebody who has nothing but a link to the gateway. */
async function readFromGateway(jobId: string, cid: string): Promise<string> {
  const { url } = await resultsOf().createDownloadLink({ jobId, cid });
  const { origin, searchParams } = new URL(url);
  const found = await heliaOverGateway(origin, searchParams.get("token") ?? "").list(cid);
  const answer = await fetch(url.replace("?", "/outputs/out/all.txt?"));
  const text = await answer.text();
  expect(found.get("/outputs/out/all.txt")).toBe(hash("sha256", text));
  return text;
}

function resultsOf(): ReturnType<typeof createClient<typeof ResultService>> {
  return createClient(ResultService, createHttpTransport({ url: cluster.url }));
}

async function readObject(key: string): Promise<Buffer> {
  const { body } = await bucket.getObject({ bucket: "data-out", key }, { signal: AbortSignal.timeout(60_000) });
  return await buffer(body);
}

/** A gateway that has one folder, `deep/page.txt`. */
async function startGateway(): Promise<[string, TestGateway]> {
  const blocks = new Map<string, Uint8Array>();
  const emit = (cid: ContentId, block: Uint8Array): void => void blocks.set(cid.toString(), block);
  const bytes = Buffer.from("from ipfs\n");
  const cid = rawCid(hash("sha256", bytes, "buffer"));
  emit(cid, bytes);
  const deep = buildFolderDag([{ name: "page.txt", cid, sizeBytes: bytes.length, dagBytes: bytes.length }], emit);
  const root = buildFolderDag([{ name: "deep", ...deep }], emit);
  return [root.cid.toString(), await startIpfsGateway(blocks)];
}
