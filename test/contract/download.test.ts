import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type CliProcess, type CliResult, startCli } from "../kit/cli-process.ts";
import { eventually } from "../kit/eventually.ts";
import { type Front, passOn, type PublishedResult, publishResult } from "../kit/published-result.ts";

const MIB = 1_048_576;
const big = randomBytes(9 * MIB + 17);
let folder: string;
let published: PublishedResult;
let to: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-download-"));
  const source = join(folder, "source");
  mkdirSync(join(source, "outputs", "model", "deep"), { recursive: true });
  mkdirSync(join(source, "outputs", "other"));
  writeFileSync(join(source, "stdout"), "out\n");
  writeFileSync(join(source, "outputs", "model", "big"), big);
  for (let index = 0; index < 200; index++) writeFileSync(join(source, "outputs", "model", "deep", `file-${index}`), `content ${index}`);
  writeFileSync(join(source, "outputs", "other", "unwanted"), "unwanted");
  published = await publishResult(source);
});
afterAll(async () => {
  await published[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  to = mkdtempSync(join(folder, "to-"));
});
afterEach(() => {
  published.setFront(passOn);
  published.setLinkLives([]);
});

function start(...flags: string[]): CliProcess {
  return startCli(["--server", published.url, "job", "get", published.jobId, "--to", to, ...flags], { withinMs: 50_000 });
}

async function get(...flags: string[]): Promise<CliResult> {
  return await start(...flags).done;
}

function bigFile(): string {
  return join(to, "outputs", "model", "big");
}

/** Bytes of the large file that are on disk, under whatever name, in blocks that are whole. */
function wholeBytes(): number {
  const parts = join(to, ".skrei-part");
  const files = [bigFile(), ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [])];
  const found = files.flatMap((file) => readIfThere(file) ?? []);
  let bytes = 0;
  for (let offset = 0; offset < big.length; offset += MIB) {
    const block = big.subarray(offset, offset + MIB);
    if (found.some((file) => file.subarray(offset, offset + MIB).equals(block))) bytes += block.length;
  }
  return bytes;
}

/** A part may get its final name between the look and the read. */
function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Lets `bytes` of the answers through, in all, and then does something else with each. */
function after(bytes: number, end: (response: Parameters<Front>[1]) => void, times = 1): Front {
  let left = bytes;
  let timesLeft = times;
  return async (request, response, pass) => {
    const answer = await pass();
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    for await (const piece of answer as AsyncIterable<Buffer>) {
      if (left < piece.length && timesLeft > 0) {
        timesLeft -= 1;
        response.write(piece.subarray(0, left), () => {
          end(response);
        });
        left = 0;
        return;
      }
      left -= piece.length;
      response.write(piece);
    }
    response.end();
    void request;
  };
}

function expectWhole(): void {
  expect(createHash("sha256").update(readFileSync(bigFile())).digest("hex")).toBe(createHash("sha256").update(big).digest("hex"));
  expect(readdirSync(join(to, "outputs", "model", "deep"))).toHaveLength(200);
  expect(existsSync(join(to, ".skrei-part"))).toBe(false);
}

test.each([0, 1, 40, 100, 2_000, MIB, 3 * MIB + 77, 9 * MIB])(
  "goes on by itself when the connection is cut after %d bytes",
  async (bytes) => {
    published.setFront(after(bytes, (response) => response.destroy(), 3));
    expect(await get()).toMatchObject({ code: 0 });
    expectWhole();
  },
);

test("an answer that ends too early and looks whole is not taken for the whole", async () => {
  published.setFront(after(2 * MIB + 5, (response) => response.end(), 2));
  expect(await get()).toMatchObject({ code: 0 });
  expectWhole();
});

test("goes on while the gateway answers 503", async () => {
  let refused = 0;
  published.setFront(async (request, response, pass) => {
    if (refused < 2) {
      refused += 1;
      response.writeHead(503, { "content-type": "application/json" }).end('{"reason":"SHUTTING_DOWN","message":"later"}');
    } else await passOn(request, response, pass);
  });
  expect(await get("--output", "other")).toMatchObject({ code: 0, stderr: expect.stringMatching(/note: .*503.*Trying again/u) });
});

test("a link that has ended is made anew", async () => {
  published.setLinkLives([-1_000]);
  expect(await get()).toMatchObject({ code: 0 });
  expectWhole();
});

test("wrong bytes are noticed at their block; what was right before stays, and the next run goes on there", async () => {
  let sent = 0;
  published.setFront(async (_request, response, pass) => {
    const answer = await pass();
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    for await (const piece of answer as AsyncIterable<Buffer>) {
      if (sent < 4 * MIB && sent + piece.length >= 4 * MIB) piece[0] = (piece[0] ?? 0) ^ 1;
      sent += piece.length;
      response.write(piece);
    }
    response.end();
  });
  expect(await get()).toMatchObject({ code: 1, stderr: expect.stringContaining("RESULT_CORRUPT") });
  expect(existsSync(bigFile())).toBe(false);
  published.setFront(passOn);
  const keptBytes = wholeBytes();
  expect(keptBytes).toBeGreaterThanOrEqual(2 * MIB);
  expect(await get()).toMatchObject({ code: 0 });
  expectWhole();
});

test.each([0, 500, MIB / 2, 2 * MIB, 5 * MIB + 3, 9 * MIB])(
  "after kill -9 with %d bytes sent, a second run completes and fetches no block that was whole",
  async (bytes) => {
    let isStalled = false;
    published.setFront(after(bytes, () => (isStalled = true), 64));
    const first = start();
    const isReady = (): boolean => isStalled && (bytes < MIB || wholeBytes() >= Math.max(0, Math.floor(bytes / MIB) - 2) * MIB);
    await eventually(isReady, (ready) => ready, { withinMs: 30_000 });
    first.signal("SIGKILL");
    await first.done;
    expect(existsSync(bigFile()) && statSync(bigFile()).size !== big.length).toBe(false);
    const known = wholeBytes();
    let servedBytes = 0;
    published.setFront(async (_request, response, pass) => {
      const answer = await pass();
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.on("data", (piece: Buffer) => (servedBytes += piece.length));
      answer.pipe(response);
    });
    expect(await get()).toMatchObject({ code: 0 });
    expectWhole();
    // Beside the blocks that were missing: folders, the file's own node, 200 tiny files.
    expect(servedBytes).toBeLessThan(big.length - known + 100_000);
  },
);

test("--output asks for no block of anything else", async () => {
  const served: string[] = [];
  published.setFront(async (request, response, pass) => {
    served.push(...(new URL(request.url ?? "", "http://front").searchParams.get("blocks") ?? "").split(","));
    await passOn(request, response, pass);
  });
  expect(await get("--output", "other")).toMatchObject({ code: 0 });
  expect(readFileSync(join(to, "other", "unwanted"), "utf8")).toBe("unwanted");
  expect(new Set(served).size).toBe(4); // The result, its outputs, the output, its file.
});

test("--verify fetches the nodes between and no file", async () => {
  expect(await get()).toMatchObject({ code: 0 });
  let servedBytes = 0;
  published.setFront(async (_request, response, pass) => {
    const answer = await pass();
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.on("data", (piece: Buffer) => (servedBytes += piece.length));
    answer.pipe(response);
  });
  expect(await get("--verify")).toMatchObject({ code: 0, stdout: "" });
  expect(servedBytes).toBeLessThan(30_000);
  writeFileSync(join(to, "stdout"), "oot\n");
  expect(await get("--verify")).toMatchObject({ code: 1, stdout: "changed  stdout\n" });
});

test("a gateway that is gone is said so, and a store that lacks a block too", async () => {
  published.setFront((_request, response) => {
    response
      .writeHead(404, { "content-type": "application/json" })
      .end('{"reason":"BLOCK_MISSING","message":"block x is not in the store"}');
  });
  expect(await get()).toMatchObject({ code: 1, stderr: expect.stringContaining("BLOCK_MISSING") });
  expect(readdirSync(to)).toEqual([]);
});

test.runIf(process.env["SKREI_TEST_LARGE"] === "1")(
  "a file of 1 GiB comes whole, and memory does not grow with it",
  async () => {
    const source = join(folder, "large");
    mkdirSync(join(source, "outputs"), { recursive: true });
    const block = randomBytes(MIB);
    for (let index = 0; index < 1_024; index++) {
      block.writeUInt32LE(index, 0);
      appendFileSync(join(source, "outputs", "large"), block);
    }
    await using large = await publishResult(source);
    const cli = startCli(["--server", large.url, "job", "get", large.jobId, "--to", to], { withinMs: 110_000 });
    let rssKib = 0;
    const running = eventually(
      () => {
        const status = existsSync(`/proc/${cli.pid}/status`) ? readFileSync(`/proc/${cli.pid}/status`, "utf8") : "";
        rssKib = Math.max(rssKib, Number(/VmHWM:\s+(\d+)/u.exec(status)?.[1] ?? 0));
        return existsSync(join(to, "outputs", "large"));
      },
      (isThere) => isThere,
      { withinMs: 110_000 },
    );
    expect(await cli.done).toMatchObject({ code: 0 });
    await running;
    expect(statSync(join(to, "outputs", "large")).size).toBe(1_024 * MIB);
    expect(rssKib).toBeGreaterThan(0);
    expect(rssKib).toBeLessThan(180 * 1_024);
  },
  120_000,
);
