import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Door } from "@skrei/compute-agent/ports";
import { WasmExecutor } from "@skrei/compute-agent/wasm-executor";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { CollectedOutput } from "../kit/collected-output.ts";
import { ORIGIN_ADDRESS } from "../kit/lab.ts";
import { useLab } from "../kit/use-lab.ts";
import { wasmTask } from "../kit/wasm-modules.ts";
import { runWasm, wallClock, wasmSpec } from "../kit/wasm-run.ts";

const POLICY = { domains: ["example.com", ".example.org"] };
const REQUEST_TIMEOUT_MS = 3_000;
const under = useLab(POLICY);
const ZONE = {
  "example.com": [{ a: [ORIGIN_ADDRESS] }],
  "www.example.org": [{ a: [ORIGIN_ADDRESS] }],
  "inside.example.org": [{ a: ["10.1.2.3"] }],
  "half.example.org": [{ a: [ORIGIN_ADDRESS, "169.254.169.254"] }],
};

let cacheFolder: string;
let executor: WasmExecutor;

beforeAll(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), "wasm-lab-"));
  const { lab } = under();
  executor = new WasmExecutor({
    clock: wallClock,
    cacheFolder,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    extraCertificates: [lab.authority],
  });
  await executor.start();
});

beforeEach(async () => await under().lab.setZone(ZONE));

afterAll(async () => {
  await executor.close();
  await rm(cacheFolder, { recursive: true, force: true });
});

type LabDoor = Door & { readonly executionId: string };

async function openDoor(wish: { readonly egressBytesMax?: number } = {}): Promise<LabDoor> {
  const domains = ["example.com", "www.example.org", "inside.example.org", "half.example.org"];
  const key = await under().proxy.openDoor({ domains, ...wish });
  return { mode: "http", env: {}, deniedNetworks: [], ...key };
}

async function run(door: Door, ...parameters: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { end, output } = await runWasm(executor, wasmTask("http", { parameters }), { door });
  expect(end).toMatchObject({ exitCode: 0, failure: undefined });
  return { stdout: output.stdout, stderr: output.stderr };
}

test.each(["http", "https"])("a module reaches what is on its list over %s, and the door counts it", async (scheme) => {
  const door = await openDoor();
  const { stdout, stderr } = await run(door, "askAll", `${scheme}://example.com/a`, `${scheme}://www.example.org/b`);
  expect(stdout).toMatch(/^code 0\nstatus 200\n[^]*hello from example\.com\/a\n[^]*code 0\n[^]*hello from www\.example\.org\/b\n/u);
  expect(stderr).toBe("");
  expect((await run(door, "echo", `${scheme}://example.com/`, "3000000", "3000000")).stdout).toBe("code 0, length 3000000, same\n");
  const { use } = (await under().proxy.door(door.executionId)) ?? {};
  expect(use?.hosts.map(({ host, requests, denied }) => ({ host, requests: Number(requests), denied: Number(denied) }))).toEqual([
    { host: "example.com", requests: 2, denied: 0 },
    { host: "www.example.org", requests: 1, denied: 0 },
  ]);
  const { requests, canaries } = await under().lab.takeSightings();
  expect(requests).toHaveLength(3);
  expect(requests.flatMap(({ rawHeaders }) => rawHeaders.map((text) => text.toLowerCase()))).not.toContain("proxy-authorization");
  expect(canaries).toEqual([]);
});

test.each([
  { url: "://evil.example/", reason: "EGRESS_HOST_NOT_ON_JOB_LIST" },
  { url: "://sub.example.com/", reason: "EGRESS_HOST_NOT_ON_JOB_LIST" },
  { url: "://127.0.0.1/", reason: "EGRESS_LITERAL_DENIED" },
  { url: "://[::ffff:169.254.169.254]/", reason: "EGRESS_LITERAL_DENIED" },
  { url: "://0x7f000001/", reason: "EGRESS_LITERAL_DENIED" },
  { url: "://example.com:6379/", reason: "EGRESS_PORT_DENIED" },
  { url: "://inside.example.org/", reason: "EGRESS_ADDRESS_DENIED" },
  { url: "://half.example.org/", reason: "EGRESS_ADDRESS_DENIED" },
])("$url is code 4 with $reason in words, and no byte gets out", async ({ url, reason }) => {
  const door = await openDoor();
  const { stdout, stderr } = await run(door, "askAll", `http${url}`, `https${url}`);
  expect(stdout).toBe("code 4\ncode 4\n");
  expect(stderr).toContain(`(${reason})`);
  expect(await under().lab.takeSightings()).toMatchObject({ canaries: [], connections: [] });
});

test.each(["http://169.254.169.254/latest/meta-data", "https://evil.example/", "http://example.com:1234/"])(
  "a redirect to %s is decided like a request of its own",
  async (target) => {
    const { stdout } = await run(await openDoor(), "askAll", `http://example.com/redirect?to=${encodeURIComponent(target)}`);
    expect(stdout).toBe("code 4\n");
    const { canaries, requests } = await under().lab.takeSightings();
    expect(canaries).toEqual([]);
    expect(requests).toHaveLength(1);
  },
);

test("a list of one execution opens nothing for the door of another", async () => {
  const [own, other] = [await openDoor(), await openDoor()];
  const { stdout, stderr } = await run({ ...own, socketPath: other.socketPath }, "askAll", "http://example.com/", "https://example.com/");
  expect(stdout).toBe("code 4\ncode 4\n");
  expect(stderr).toContain("EGRESS_CREDENTIAL_INVALID");
  expect(await under().lab.takeSightings()).toMatchObject({ canaries: [], connections: [] });
});

test("the rate holds for modules: what would take longer than the time there is is code 3", async () => {
  const { proxy } = under();
  await proxy.setPolicy({ ...POLICY, rateBitsPerSecond: 8_000_000 });
  try {
    const door = await openDoor();
    const size = String(50_000_000);
    const { end, output } = await runWasm(
      executor,
      wasmTask("http", { parameters: ["echo", `http://example.com/bytes?count=${size}`, "1", size] }),
      { door, limits: { memoryBytes: 256 * 1_024 * 1_024 } },
    );
    expect({ exitCode: end.exitCode, code: output.stdout.slice(0, 6) }).toEqual({ exitCode: 0, code: "code 3" });
    expect((await run(door, "askAll", "http://example.com/a")).stdout).toMatch(/^code 0\n/u);
  } finally {
    await proxy.setPolicy(POLICY);
  }
});

test("beyond its quota a module gets nothing out, and is told why", async () => {
  const { stdout, stderr } = await run(await openDoor({ egressBytesMax: 50 }), "askAll", "http://example.com/a");
  expect(stdout).toBe("code 4\n");
  expect(stderr).toContain("(EGRESS_QUOTA_EXCEEDED)");
  const { requests, connections } = await under().lab.takeSightings();
  expect({ requests, bytes: connections.reduce((sum, { bytes }) => sum + bytes, 0) }).toEqual({ requests: [], bytes: 0 });
});

test("a tunnel that the quota cuts is code 2", async () => {
  const door = await openDoor({ egressBytesMax: 100_000 });
  expect((await run(door, "echo", "https://example.com/", "3000000", "3000000")).stdout).toMatch(/^code 2, /u);
  const { use } = (await under().proxy.door(door.executionId)) ?? {};
  expect(use?.hosts.map(({ host, reason }) => ({ host, reason }))).toEqual([{ host: "example.com", reason: "EGRESS_QUOTA_EXCEEDED" }]);
  expect(Number(use?.sentBytes)).toBeLessThanOrEqual(100_000);
});

test("a proxy that dies under a request is code 2, and the next one finds the new proxy at the same door", async () => {
  const { proxy } = under();
  const door = await openDoor();
  const waiting = wasmSpec(wasmTask("http", { parameters: ["echo", "http://example.com/endless", "1", "50000000"] }), {
    door,
    limits: { memoryBytes: 256 * 1_024 * 1_024 },
  });
  await proxy.setPolicy({ ...POLICY, rateBitsPerSecond: 1_000_000 });
  const output = new CollectedOutput();
  await executor.launch(waiting, output, AbortSignal.timeout(10_000));
  await expect.poll(async () => (await proxy.door(door.executionId))?.connections, { timeout: 5_000 }).toBe(1);
  await proxy.process.restart();
  await executor.wait(waiting.executionId, AbortSignal.timeout(10_000));
  expect(output.stdout).toMatch(/^code 2, /u);
  await proxy.setPolicy(POLICY);
  expect((await run(door, "askAll", "http://example.com/again")).stdout).toContain("hello from example.com/again");
  await executor.remove(waiting.executionId);
});
