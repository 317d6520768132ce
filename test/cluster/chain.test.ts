import { execFile } from "node:child_process";
import { createHash, hash } from "node:crypto";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { StandaloneConfig } from "../../services/standalone/src/config.ts";
import { createStandalone } from "../../services/standalone/src/service.ts";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { expect, test } from "vitest";
import { aShellJob, aWasmJob, type JobSpecInit } from "../kit/a-job.ts";
import { DOCKER_HOST } from "../kit/docker-host.ts";
import { startEmbedded } from "../kit/embedded.ts";
import { freePort } from "../kit/free-port.ts";
import { startIpfsGateway } from "../kit/ipfs-gateway.ts";
import { startCli } from "../kit/cli-process.ts";
import { useCluster } from "../kit/use-cluster.ts";

const MIB = 1_048_576;
const cluster = useCluster({ nodes: 1 });

test("each stage reads what the one before produced, and a node moves the bytes of a result once", async () => {
  const made = await run(
    aShellJob(
      "head -c 4194304 /dev/urandom > /data/part; echo part $SKREI_PARTITION_INDEX > /data/name; sha256sum /data/part | cut -c1-64",
      {
        count: 2,
        outputs: { data: "/data" },
      },
    ),
  );
  const [before, sums] = [await cacheState(), await outputOf(made)];
  const joined = await run(
    aShellJob("cat /in/0/part /in/1/part > /out/all", {
      inputs: [fromJob(made, "data", "/in")],
      outputs: { out: "/out" },
      diskBytes: 64 * MIB,
    }),
  );
  const first = await cacheState();
  expect(movedSince(before, first)).toEqual({ hits: 0, misses: 1, sizeBytes: 8 * MIB + 14 });
  const again = await run(aShellJob("sha256sum /in/0/part /in/1/part | cut -c1-64", { inputs: [fromJob(made, "data", "/in")] }));
  expect(linesOf(await outputOf(again))).toEqual(linesOf(sums));
  expect(movedSince(first, await cacheState())).toEqual({ hits: 1, misses: 0, sizeBytes: 0 });
  const checked = await run(aShellJob("sha256sum < /in/all | cut -c1-64; ls /in", { inputs: [fromJob(joined, "out", "/in")] }));
  const third = await cacheState();
  // What the node made itself is read where it lies.
  expect(movedSince(first, third)).toEqual({ hits: 2, misses: 0, sizeBytes: 0 });
  const module = withInputs(aWasmJob("program", { parameters: ["printFile", "/in/1/name"] }), fromJob(made, "data", "/in"));
  expect(await outputOf(await run(module))).toBe("part 1\n");
  // The module itself is the one thing that is new to the node.
  expect(movedSince(third, await cacheState())).toMatchObject({ hits: 1, misses: 1 });
  const folder = await mkdtemp(join(cluster().folder, "got-"));
  expect((await cluster().runCli(["job", "get", joined, "--to", folder])).code).toBe(0);
  const all = await readFile(join(folder, "outputs", "out", "all"));
  expect(await outputOf(checked)).toBe(`${createHash("sha256").update(all).digest("hex")}\nall\n`);
});

test("in a chain of three no byte moves on the node that made it, and each execution says so", async () => {
  const made = await run(aShellJob("head -c 4194304 /dev/urandom > /data/a", { outputs: { data: "/data" } }));
  const second = await run(aShellJob("cp /in/a /data/b", { inputs: [fromJob(made, "data", "/in")], outputs: { data: "/data" } }));
  const third = await run(
    aShellJob("cmp /made/a /in/b && echo same", { inputs: [fromJob(second, "data", "/in"), fromJob(made, "data", "/made")] }),
  );
  expect(await outputOf(third)).toBe("same\n");
  for (const jobId of [second, third]) {
    const { executions } = await cluster().jobs.listExecutions({ jobId });
    for (const input of executions[0]?.inputs ?? []) expect(input).toMatchObject({ sizeBytes: BigInt(4 * MIB), movedBytes: 0n });
    expect(executions[0]?.inputs).not.toHaveLength(0);
  }
});

test("the stored spec is pinned to the content id, and the command line names outputs that are there", async () => {
  const made = await run(aShellJob("echo 1 > /data/one", { outputs: { data: "/data" } }));
  const { code, stdout, stderr } = await cluster().runCli([
    "run",
    "-i",
    `job:${made.slice(0, 20)}/data:/in`,
    "busybox",
    "--",
    "cat",
    "/in/one",
  ]);
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: "1\n" });
  const [job] = (await cluster().jobs.listJobs({ pageSize: 1 })).jobs;
  expect(job?.spec?.task?.inputs).toMatchObject([{ alias: `job:${made}/data`, source: { case: "content" } }]);
  const wrong = await cluster().runCli(["run", "-i", `job:${made}/date:/in`, "busybox"]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/the outputs of job j-\w+: "data"/u);
  const failed = await cluster().submit(aShellJob("exit 3", { retry: { maxAttempts: 1 } }));
  await cluster().waitForJob(failed, "failed");
  const refused = await cluster().runCli(["run", "-i", `job:${failed}:/in`, "busybox"]);
  expect(refused.stderr).toMatch(/is failed; it has no accepted result/u);
});

test("a link that is uploaded never leads a task to a file of the node", async () => {
  const secret = join(cluster().folder, "secret");
  await writeFile(secret, "of the node");
  const links = await mkdtemp(join(cluster().folder, "links-"));
  await symlink(secret, join(links, "link"));
  const cid = await uploadedLink(links);
  const module = withInputs(aWasmJob("program", { parameters: ["printFile", "/in"], retry: { maxAttempts: 1 } }), {
    target: "/in",
    source: { case: "content", value: { cid, path: "link" } },
  });
  const jobId = await cluster().submit(module);
  expect(await cluster().waitForJob(jobId, "failed")).toMatchObject({ failure: { reason: "SOURCE_DIGEST_MISMATCH" } });
  expect(await outputOf(jobId)).toBe("");
  // A link that the user names is followed on the user's machine.
  const named = await cluster().runCli(["run", "-i", `${join(links, "link")}:/in`, "busybox", "--", "cat", "/in"]);
  expect(named).toMatchObject({ code: 0, stdout: "of the node" });
});

test("the example runs three jobs in a row on the embedded cluster", async () => {
  await using embedded = await startEmbedded(["--nodes", "2"]);
  const script = fileURLToPath(new URL("../../examples/chain/run.sh", import.meta.url));
  const skrei = `${process.execPath} ${fileURLToPath(new URL("../../cli/bin/skrei.js", import.meta.url))}`;
  const { stdout } = await promisify(execFile)("sh", [script], { env: { PATH: process.env["PATH"], SKREI: skrei, ...embedded.env } });
  expect(stdout.trimEnd().split("\n").at(-1)).toBe("6 words in 1 files");
});

test("a path below a content id comes from an IPFS gateway, for containers and modules", async () => {
  const blocks = new Map<string, Uint8Array>();
  const keep = (cid: { toString(): string }, block: Uint8Array): void => void blocks.set(cid.toString(), block);
  const text = Buffer.from("from far away\n");
  const leaf = { cid: rawCid(hash("sha256", text, "buffer")), sizeBytes: text.length, dagBytes: text.length };
  keep(leaf.cid, text);
  const root = buildFolderDag([{ name: "sub", ...buildFolderDag([{ name: "file", ...leaf }], keep) }], keep).cid.toString();
  await using gateway = await startIpfsGateway(blocks);
  const home = await mkdtemp(join(tmpdir(), "skrei-chain-"));
  const standalone = createStandalone(
    StandaloneConfig.parse({ nodes: 1, port: await freePort(), dockerHost: DOCKER_HOST, ipfsGateways: [gateway.url] }),
    {
      logger: silentLogger,
    },
  );
  try {
    await standalone.start();
    const env = { SKREI_SERVER: standalone.ready().server, HOME: home };
    const shell = await startCli(["run", "-i", `ipfs://${root}/sub:/in`, "busybox", "--", "cat", "/in/file"], { env }).done;
    expect(shell).toMatchObject({ code: 0, stdout: "from far away\n" });
    const asked = gateway.asked.length;
    const module = fileURLToPath(new URL("../../examples/wordcount/wordcount.wasm", import.meta.url));
    const args = ["wasm", "run", module, "-i", `ipfs://${root}/sub:/texts`, "-o", "outputs:/outputs", "--", "/texts"];
    expect(await startCli(args, { env }).done).toMatchObject({ code: 0, stdout: "3 words in 1 files\n" });
    expect(gateway.asked.length).toBe(asked);
    const missing = await startCli(["run", "-i", `ipfs://${root}/sub/none:/in`, "busybox"], { env }).done;
    expect(missing.stderr).toMatch(/There is nothing at "sub\/none"/u);
  } finally {
    await standalone.stop("test over");
    await rm(home, { recursive: true, force: true });
  }
});

async function run(spec: JobSpecInit): Promise<string> {
  const jobId = await cluster().submit(spec);
  await cluster().waitForJob(jobId, "completed", { withinMs: 60_000 });
  return jobId;
}

function fromJob(job: string, output: string, target: string) {
  return { target, source: { case: "job" as const, value: { job, output } } };
}

/** The content id of a folder that the cluster has, links and all. */
async function uploadedLink(folder: string): Promise<string> {
  const { code, stdout, stderr } = await cluster().runCli(["run", "-i", `${folder}:/in`, "-d", "busybox", "--", "true"]);
  expect(code, stderr).toBe(0);
  const input = (await cluster().waitForJob(stdout.trim(), "completed")).spec.task.inputs[0];
  return input?.source.type === "content" ? input.source.cid : "";
}

function withInputs(spec: JobSpecInit, ...inputs: readonly NonNullable<NonNullable<JobSpecInit["task"]>["inputs"]>[number][]): JobSpecInit {
  return { ...spec, task: { ...spec.task, inputs: [...(spec.task?.inputs ?? []), ...inputs] } } as JobSpecInit;
}

async function outputOf(jobId: string): Promise<string> {
  return (await cluster().runCli(["job", "logs", jobId, "--raw"])).stdout;
}

/** Partitions write their output whenever they run. */
function linesOf(text: string): readonly string[] {
  return text.trim().split("\n").toSorted();
}

interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
  readonly sizeBytes: number;
}

async function cacheState(): Promise<CacheCounts> {
  const fetcher = createClient(FetchService, createHttpTransport({ url: cluster().fetcher.url }));
  const { hits, misses, sizeBytes } = await fetcher.getCacheState({});
  return { hits: Number(hits), misses: Number(misses), sizeBytes: Number(sizeBytes) };
}

function movedSince(before: CacheCounts, now: CacheCounts): CacheCounts {
  return { hits: now.hits - before.hits, misses: now.misses - before.misses, sizeBytes: now.sizeBytes - before.sizeBytes };
}
