import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { appendFile, mkdtemp, open, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createS3Client } from "@skrei/s3/client.ts";
import { presignQuery } from "@skrei/s3/sign-v4.ts";
import { startS3Server } from "../../test/kit/s3-server.ts";
import { median } from "./median.ts";

/**
 * CPU seconds of a client that gets and puts 256 MiB, beside curl's with the same server and object, over plain HTTP and TLS.
 * Usage: node bench/src/s3.ts [rounds]. With `child` it is the measured process: our client, without Node's own start (0.04 s).
 */
const SIZE_BYTES = 256 * 1_048_576;
const WAYS = ["get", "get to disk", "put", "put in parts"] as const;
type Way = (typeof WAYS)[number];

interface Order {
  readonly way: Way;
  readonly file: string;
  readonly options: Parameters<typeof createS3Client>[0];
}

if (process.argv[2] === "child") await obey(JSON.parse(process.argv[3] ?? "") as Order);
else await compare(Number(process.argv[2] ?? 3));

async function compare(rounds: number): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skrei-bench-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const server = cleanup.use(await startS3Server());
  await server.request("PUT", "bench");
  const file = join(folder, "object");
  // In pieces, since a child's largest RSS begins with that of its parent.
  for (let mebibyte = 0; mebibyte < SIZE_BYTES / 1_048_576; mebibyte++) await appendFile(file, randomBytes(1_048_576));
  const authority = join(folder, "authority.pem");
  await writeFile(authority, server.authority);
  console.log("256 MiB: CPU seconds (wall), medians; RSS of our process at its largest");
  for (const endpoint of [server.endpoint, server.tlsEndpoint]) {
    const options = { endpoint, authority: server.authority, credentials: server.credentials };
    await run({ way: "put", file, options });
    for (const way of WAYS) {
      const ours: Figure[] = [];
      const curls: Figure[] = [];
      for (let round = 0; round < rounds; round++) {
        ours.push(await run({ way, file: way === "get to disk" ? join(folder, "down") : file, options }));
        curls.push(await runCurl({ way, file: way === "get to disk" ? join(folder, "down") : file, options }, authority));
      }
      const of = (figures: readonly Figure[], key: keyof Figure): number => median(figures.map((figure) => figure[key]));
      const ratio = of(ours, "cpuS") / of(curls, "cpuS");
      const show = (figures: readonly Figure[]): string => `${of(figures, "cpuS").toFixed(2)} (${of(figures, "wallS").toFixed(2)})`;
      console.log(
        `${endpoint.slice(0, 5)} ${way.padEnd(12)} skrei ${show(ours)}  curl ${show(curls)}  ratio ${ratio.toFixed(2)}  ${of(ours, "rssMib").toFixed(0)} MiB`,
      );
    }
  }
}

interface Figure {
  readonly cpuS: number;
  readonly wallS: number;
  readonly rssMib: number;
}

async function run(order: Order): Promise<Figure> {
  const { stdout } = await promisify(execFile)(process.execPath, [import.meta.filename, "child", JSON.stringify(order)]);
  return JSON.parse(stdout) as Figure;
}

async function obey({ way, file, options }: Order): Promise<void> {
  using client = createS3Client(options);
  const signal = AbortSignal.timeout(120_000);
  const ref = { bucket: "bench", key: "object" };
  const before = process.cpuUsage();
  const startMs = performance.now();
  if (way === "get" || way === "get to disk") {
    using download = await client.getObject(ref, { signal });
    if (way === "get to disk") await pipeline(download.body, createWriteStream(file, { highWaterMark: 1_048_576 }));
    else for await (const _ of download.body) void _;
  } else if (way === "put in parts") await client.uploadObject(ref, readAgain(file), { signal });
  else await client.putObject(ref, { sizeBytes: (await stat(file)).size, open: () => read(file) }, { signal });
  const { user, system } = process.cpuUsage(before);
  const figure = {
    cpuS: (user + system) / 1e6,
    wallS: (performance.now() - startMs) / 1e3,
    rssMib: process.resourceUsage().maxRSS / 1_024,
  };
  console.log(JSON.stringify(figure));
}

function read(file: string): AsyncIterable<Uint8Array> {
  return createReadStream(file, { highWaterMark: 1_048_576 });
}

/** Into one buffer, as uploads in parts allow. */
async function* readAgain(file: string): AsyncGenerator<Uint8Array> {
  await using handle = await open(file);
  const buffer = Buffer.allocUnsafe(1_048_576);
  for (;;) {
    const { bytesRead } = await handle.read(buffer);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function runCurl({ way, file, options }: Order, authority: string): Promise<Figure> {
  const isGet = way.startsWith("get");
  const { host, origin } = new URL(options.endpoint ?? "");
  const request = { method: isGet ? "GET" : "PUT", path: "/bench/object", query: {}, host, expiresInS: 600 };
  const { credentials = { accessKeyId: "", secretAccessKey: "" } } = options;
  const url = `${origin}/bench/object?${presignQuery(request, { credentials, region: "us-east-1", nowMs: Date.now() })}`;
  const what = isGet ? ["-o", way === "get" ? "/dev/null" : file] : ["-T", file];
  const script = 'TIMEFORMAT="%U %S %R"; time curl -sSf --cacert "$@"';
  const { stderr } = await promisify(execFile)("bash", ["-c", script, "bash", authority, ...what, url]);
  const [user = 0, system = 0, wallS = 0] = stderr.trim().split(/\s+/u).map(Number);
  return { cpuS: user + system, wallS, rssMib: 0 };
}
