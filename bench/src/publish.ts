import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport } from "@connectrpc/connect";
import { newExecutionId } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { PublisherConfig } from "@skrei/publisher/config";
import { createPublisherService } from "@skrei/publisher/service";

/**
 * Time to stage and to publish outputs, over `openssl dgst -sha256` of the same files in the same run.
 * Usage: node bench/src/publish.ts [rounds]. With `child FOLDER` it is the measured process: a publisher of its own, started as the
 * image and compose.yaml do, with a compile cache (which the first round fills) and a small young generation.
 */
const MIB = 1_048_576;

if (process.argv[2] === "child") await publishFolder(process.argv[3] ?? "");
else compare(Number(process.argv[2] ?? 3));

function compare(rounds: number): void {
  const folder = mkdtempSync(join(tmpdir(), "skrei-bench-"));
  try {
    report(
      "1 GiB file",
      measure(folder, rounds, (outputs) => writeLargeFile(join(outputs, "large"), 1_024)),
    );
    report(
      "10,000 files of 1 KiB",
      measure(folder, rounds, (outputs) => writeSmallFiles(outputs, 10_000)),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Sample {
  readonly opensslMs: number;
  readonly stageMs: number;
  readonly publishMs: number;
  /** Of staging and publishing, the publisher's start left out. */
  readonly cpuMs: number;
  readonly rssMib: number;
}

function measure(folder: string, rounds: number, fill: (outputs: string) => void): Sample[] {
  return Array.from({ length: rounds }, (_, round) => {
    const home = join(folder, `round-${round}`);
    mkdirSync(join(home, "result", "outputs"), { recursive: true });
    fill(join(home, "result", "outputs"));
    const opensslStart = performance.now();
    must(spawnSync("sh", ["-c", "find . -type f -print0 | xargs -0 openssl dgst -sha256 > /dev/null"], { cwd: home }));
    const opensslMs = performance.now() - opensslStart;
    const child = spawnSync(process.execPath, ["--max-semi-space-size=4", import.meta.filename, "child", home], {
      encoding: "utf8",
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, "compile-cache") },
    });
    must(child);
    rmSync(home, { recursive: true, force: true });
    return { opensslMs, ...(JSON.parse(child.stdout) as Omit<Sample, "opensslMs">) };
  });
}

async function publishFolder(home: string): Promise<void> {
  const service = createPublisherService(PublisherConfig.parse({ dataFolder: join(home, "data") }), { logger: silentLogger });
  await service.start();
  const client = createClient(PublishService, createRouterTransport(service.routes));
  const executionId = newExecutionId({ nowMs: () => Date.now(), randomBytes: () => randomBytes(10) });
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await client.stageResult({ executionId, folder: join(home, "result"), bytesMax: BigInt(4_096 * MIB) });
  const stagedAt = performance.now();
  for await (const _ of client.publishResult({ executionId, provenance: {} })) void _;
  const publishedAt = performance.now();
  const { user, system } = process.cpuUsage(cpuBefore);
  await service.stop("done");
  const rssMib = process.resourceUsage().maxRSS / 1_024;
  console.log(JSON.stringify({ stageMs: stagedAt - startedAt, publishMs: publishedAt - stagedAt, cpuMs: (user + system) / 1_000, rssMib }));
}

function report(what: string, samples: readonly Sample[]): void {
  const median = (pick: (sample: Sample) => number): number =>
    samples.map(pick).toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0;
  const ratio = median(({ stageMs, opensslMs }) => stageMs / opensslMs);
  const parts = [
    `openssl ${median(({ opensslMs }) => opensslMs).toFixed(0)} ms`,
    `hash and index ${median(({ stageMs }) => stageMs).toFixed(0)} ms (${ratio.toFixed(2)} x)`,
    `sync to disk ${median(({ publishMs }) => publishMs).toFixed(0)} ms`,
    `${median(({ cpuMs }) => cpuMs).toFixed(0)} ms CPU`,
    `max RSS ${median(({ rssMib }) => rssMib).toFixed(0)} MiB`,
  ];
  console.log(`${what}: ${parts.join(", ")}`);
}

function writeLargeFile(path: string, mebibytes: number): void {
  const file = openSync(path, "w");
  for (let index = 0; index < mebibytes; index++) writeSync(file, randomBytes(MIB));
  closeSync(file);
}

function writeSmallFiles(outputs: string, count: number): void {
  for (let index = 0; index < count; index++) writeFileSync(join(outputs, `file-${index}`), randomBytes(1_024));
}

function must({ status, stderr }: { readonly status: number | null; readonly stderr: unknown }): void {
  if (status !== 0) throw new Error(`a measured program failed: ${String(stderr)}`);
}
