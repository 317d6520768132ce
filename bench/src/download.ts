import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { publishResult } from "../../test/kit/published-result.ts";
import { median } from "./median.ts";

/**
 * CPU and time of a verified download over `curl` of the same file from the same gateway, in the same run.
 * Usage: node bench/src/download.ts [MiB] [rounds]
 */
const MIB = 1_048_576;
const SKREI = fileURLToPath(new URL("../../cli/bin/skrei.js", import.meta.url));

interface Sample {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly rssMib: number;
}

await compare(Number(process.argv[2] ?? 1_024), Number(process.argv[3] ?? 5));

async function compare(mebibytes: number, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "skrei-bench-"));
  try {
    const source = join(folder, "source");
    mkdirSync(join(source, "outputs"), { recursive: true });
    writeLargeFile(join(source, "outputs", "large"), mebibytes);
    await using published = await publishResult(source);
    const to = join(folder, "to");
    const skrei = [process.execPath, SKREI, "--server", published.url, "job", "get", published.jobId, "--to", to];
    const samples: Record<string, Sample[]> = { curl: [], "job get": [], "job get again": [], "node alone": [] };
    for (let round = 0; round < rounds; round++) {
      const [path, token] = published.link().split("?");
      samples["curl"]?.push(await run(["curl", "-sS", "-f", "-o", join(folder, "curl"), `${path}/outputs/large?${token}`], folder));
      rmSync(join(folder, "curl"));
      samples["job get"]?.push(await run(skrei, folder));
      samples["job get again"]?.push(await run(skrei, folder));
      rmSync(to, { recursive: true });
      samples["node alone"]?.push(await run([process.execPath, SKREI, "--version"], folder));
    }
    report(mebibytes, samples);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The publisher runs beside it, so nothing here may block. */
async function run([program = "", ...args]: readonly string[], folder: string): Promise<Sample> {
  const figures = join(folder, "time");
  const startedAt = performance.now();
  const child = spawn("/usr/bin/time", ["-f", "%U %S %M", "-o", figures, program, ...args], { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = (await once(child, "close")) as [number];
  const wallMs = performance.now() - startedAt;
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  const [user = 0, system = 0, rssKib = 0] = readFileSync(figures, "utf8").trim().split(" ").map(Number);
  return { cpuMs: (user + system) * 1_000, wallMs, rssMib: rssKib / 1_024 };
}

function report(mebibytes: number, samples: Readonly<Record<string, readonly Sample[]>>): void {
  const floor = median((samples["curl"] ?? []).map(({ cpuMs }) => cpuMs));
  console.log(`${mebibytes} MiB in one file`);
  for (const [what, of] of Object.entries(samples)) {
    const [cpuMs, wallMs, rssMib] = [of.map((s) => s.cpuMs), of.map((s) => s.wallMs), of.map((s) => s.rssMib)].map(median);
    console.log(
      `${what}: CPU ${cpuMs?.toFixed(0)} ms (${((cpuMs ?? 0) / floor).toFixed(2)} x curl), ${wallMs?.toFixed(0)} ms, max RSS ${rssMib?.toFixed(0)} MiB`,
    );
  }
}

function writeLargeFile(path: string, mebibytes: number): void {
  const file = openSync(path, "w");
  for (let index = 0; index < mebibytes; index++) writeSync(file, randomBytes(MIB));
  closeSync(file);
}
