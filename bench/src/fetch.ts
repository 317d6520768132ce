import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createReadStream, readFileSync, rmSync, statSync } from "node:fs";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Client } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import type { InputSourceSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { createS3Client } from "@skrei/s3/client.ts";
import { startS3Server } from "../../test/kit/s3-server.ts";
import { startServiceProcess, type ServiceProcess } from "../../test/kit/service-process.ts";
import { median } from "./median.ts";

/**
 * CPU, time and memory of a storage-fetcher that gets one file by http and from S3, beside `curl` to disk from the same server in the
 * same run, and of a fetch that finds it in the cache. A digest is computed of every byte; curl computes none.
 * Usage: node bench/src/fetch.ts [MiB] [rounds]. With `origin` it is the HTTP server.
 */
const [first = "1024", second = "3"] = process.argv.slice(2);
if (first === "origin") await serve(second);
else await compare(Number(first), Number(second));

async function compare(mebibytes: number, rounds: number): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skrei-bench-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "data.bin");
  for (let index = 0; index < mebibytes; index++) await appendFile(file, randomBytes(1_048_576));
  const origin = spawn(process.execPath, [import.meta.filename, "origin", file], { stdio: ["ignore", "pipe", "inherit"] });
  cleanup.defer(() => void origin.kill("SIGKILL"));
  const [line] = (await once(origin.stdout, "data")) as [Buffer];
  const s3 = cleanup.use(await startS3Server());
  const link = await upload(s3, file);
  const fetcher = cleanup.use(
    await startServiceProcess("storage-fetcher", {
      "data-folder": join(folder, "fetcher"),
      "allowed-private-cidrs": "127.0.0.0/8",
      "s3-endpoint": s3.endpoint,
      "s3-access-key-id": s3.credentials.accessKeyId,
      "s3-secret-access-key": s3.credentials.secretAccessKey,
    }),
  );
  console.log(`${mebibytes} MiB in one file, medians of ${rounds}; the fetcher's largest RSS at the end`);
  const idleMib = memoryMib(fetcher);
  await row(
    "http",
    { curl: () => curl([line.toString().trim()], folder), source: () => httpSource(line.toString().trim()) },
    { fetcher, rounds },
  );
  const source = (): Source => ({ case: "s3", value: { bucket: "bench", key: "data.bin" } });
  await row("s3", { curl: () => curl([link], folder), source }, { fetcher, rounds: 1 });
  const cached: number[] = [];
  for (let index = 0; index < 50; index++) cached.push((await fetchOnce(fetcher, source())).wallMs);
  console.log(`cached: ${median(cached).toFixed(1)} ms (the listing of S3 is asked again each time)`);
  const sha256: Source = { case: "inline", value: { data: new TextEncoder().encode("small") } };
  const inline: number[] = [];
  for (let index = 0; index < 200; index++) inline.push((await fetchOnce(fetcher, sha256)).wallMs);
  console.log(`cached by digest: ${median(inline).toFixed(1)} ms`);
  console.log(`RSS: ${idleMib.toFixed(0)} MiB idle, ${memoryMib(fetcher).toFixed(0)} MiB at its largest`);
}

type Source = NonNullable<MessageInitShape<typeof InputSourceSchema>["source"]>;

interface Sample {
  readonly cpuMs: number;
  readonly wallMs: number;
}

async function row(
  what: string,
  { curl: peer, source }: { readonly curl: () => Promise<Sample>; readonly source: () => Source },
  { fetcher, rounds }: { readonly fetcher: ServiceProcess; readonly rounds: number },
): Promise<void> {
  const ours: Sample[] = [];
  const curls: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    curls.push(await peer());
    ours.push(await fetchOnce(fetcher, source()));
  }
  const of = (samples: readonly Sample[], key: keyof Sample): number => median(samples.map((sample) => sample[key]));
  console.log(
    `${what}: CPU ${of(ours, "cpuMs").toFixed(0)} ms, curl ${of(curls, "cpuMs").toFixed(0)} ms (${(of(ours, "cpuMs") / of(curls, "cpuMs")).toFixed(2)} x); ` +
      `wall ${of(ours, "wallMs").toFixed(0)} ms, curl ${of(curls, "wallMs").toFixed(0)} ms (${(of(ours, "wallMs") / of(curls, "wallMs")).toFixed(2)} x)`,
  );
}

/** A query of its own makes it another file for the cache. */
function httpSource(url: string): Source {
  return { case: "http", value: { url: `${url}?${randomUUID()}` } };
}

async function fetchOnce(fetcher: ServiceProcess, source: Source): Promise<Sample> {
  const client = clientOf(fetcher);
  const leaseId = randomUUID();
  const cpuBefore = cpuMs(fetcher.pid);
  const startMs = performance.now();
  for await (const { event } of client.fetchInput({ leaseId, input: { target: "/in", source }, bytesMax: 1n << 40n })) void event;
  const sample = { wallMs: performance.now() - startMs, cpuMs: cpuMs(fetcher.pid) - cpuBefore };
  await client.releaseInputs({ leaseId });
  return sample;
}

function clientOf(fetcher: ServiceProcess): Client<typeof FetchService> {
  return createClient(FetchService, createHttpTransport({ url: fetcher.url }));
}

async function curl(args: readonly string[], folder: string): Promise<Sample> {
  const to = join(folder, "curl.out");
  const startMs = performance.now();
  const child = spawn("/usr/bin/time", ["-f", "%U %S", "curl", "-sSf", "-o", to, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  const [figures, [code]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number]>]);
  if (code !== 0) throw new Error(`curl ended with ${code}: ${figures}`);
  rmSync(to);
  const [user = 0, system = 0] = figures.trim().split(" ").map(Number);
  return { wallMs: performance.now() - startMs, cpuMs: (user + system) * 1_000 };
}

/** Gives a link for curl. */
async function upload(server: Awaited<ReturnType<typeof startS3Server>>, file: string): Promise<string> {
  await server.request("PUT", "bench");
  using client = createS3Client({ endpoint: server.endpoint, credentials: server.credentials });
  const signal = AbortSignal.timeout(600_000);
  const ref = { bucket: "bench", key: "data.bin" };
  await client.uploadObject(ref, createReadStream(file, { highWaterMark: 1_048_576 }), { signal });
  return client.presignGet(ref, { expiresInS: 3_600 });
}

/** User and system time of a process so far; a tick is 10 ms. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function memoryMib({ pid }: ServiceProcess): number {
  return Number(/VmHWM:\s+(\d+)/u.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;
}

async function serve(file: string): Promise<void> {
  const { size } = statSync(file);
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-length": size, "content-type": "application/octet-stream", etag: `"${randomUUID()}"` });
    createReadStream(file, { highWaterMark: 1_048_576 }).pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/data.bin`);
}
