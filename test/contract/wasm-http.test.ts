import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WasmExecutor } from "@skrei/compute-agent/wasm-executor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CollectedOutput } from "../kit/collected-output.ts";
import { eventually } from "../kit/eventually.ts";
import { heldBytes } from "../kit/held-bytes.ts";
import { openWasmDoor, type WasmDoor } from "../kit/wasm-door.ts";
import { wasmTask } from "../kit/wasm-modules.ts";
import { startWasmOrigin, type WasmOrigin } from "../kit/wasm-origin.ts";
import { runWasm, wallClock, wasmSpec } from "../kit/wasm-run.ts";

const MIB = 1_024 * 1_024;
const TIMEOUT_MS = 1_500;
const GET = "0";
const POST = "1";
const signal = (): AbortSignal => AbortSignal.timeout(20_000);

let folder: string;
let origin: WasmOrigin;
let proxy: WasmDoor;
let executor: WasmExecutor;
const cleanUp = new AsyncDisposableStack();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wasm-http-"));
  cleanUp.defer(async () => await rm(folder, { recursive: true, force: true }));
  origin = cleanUp.use(await startWasmOrigin(folder, ["api.example", "other.example"]));
  proxy = cleanUp.use(
    await openWasmDoor(join(folder, "door.sock"), {
      "api.example:80": origin.httpPort,
      "api.example:443": origin.httpsPort,
      "other.example:443": origin.httpsPort,
      "mismatch.example:443": origin.httpsPort,
      "closed.example:80": 1,
    }),
  );
  executor = new WasmExecutor({
    clock: wallClock,
    cacheFolder: join(folder, "cache"),
    // Nothing here is about time but what says so.
    requestTimeoutMs: 20_000,
    extraCertificates: [origin.certificate],
  });
  await executor.start();
  cleanUp.defer(async () => await executor.close());
});

afterAll(async () => await cleanUp.disposeAsync());

async function run(...parameters: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { end, output } = await runWasm(executor, wasmTask("http", { parameters }), { door: proxy.door });
  expect(end).toMatchObject({ exitCode: 0, failure: undefined });
  return { stdout: output.stdout, stderr: output.stderr };
}

function lastSeen(): Readonly<Record<string, string | undefined>> {
  return origin.seen.at(-1) ?? {};
}

describe("what is allowed", () => {
  test.for(["http", "https"])("a GET over %s brings status, headers and body", async (scheme) => {
    const { stdout, stderr } = await run(
      "ask",
      GET,
      `${scheme}://api.example/hello?a=1#part`,
      "X-Mine: 1\nHost: forged\nproxy-authorization: x",
      "",
    );
    expect(stdout).toMatch(/^code 0\nstatus 200\nX-Origin: yes\n[^]*\n\nhello\n$/u);
    expect(stderr).toBe("");
    expect(lastSeen()).toMatchObject({ method: "GET", path: "/hello", host: "api.example", "x-mine": "1", "accept-encoding": "identity" });
    expect(lastSeen()["proxy-authorization"]).toBeUndefined();
  });

  test.for(["http", "https"])("a POST over %s carries its body and comes back", async (scheme) => {
    const { stdout } = await run("ask", POST, `${scheme}://api.example/echo`, "Content-Type: text/plain", "the body");
    expect(stdout).toMatch(/\n\nthe body\n$/u);
    expect(lastSeen()).toMatchObject({ method: "POST", "content-length": "8", "content-type": "text/plain" });
  });

  test.for([
    { number: "2", method: "PUT" },
    { number: "3", method: "DELETE" },
    { number: "4", method: "HEAD" },
    { number: "5", method: "OPTIONS" },
    { number: "6", method: "PATCH" },
  ])("method $number is $method", async ({ number, method }) => {
    const { stdout } = await run("ask", number, "http://api.example/hello", "", "");
    expect(stdout).toMatch(/^code 0\nstatus 200\n/u);
    expect(lastSeen()["method"]).toBe(method);
  });

  test("a process without the wall has the same way out", async () => {
    await using open = await startExecutor({ requestTimeoutMs: TIMEOUT_MS, isWallWanted: false });
    const { output } = await runWasm(open.executor, wasmTask("http", { parameters: ["askAll", "http://api.example/hello"] }), {
      door: proxy.door,
    });
    expect(output.stdout).toMatch(/^code 0\n/u);
  });

  test("12 MB go out and come back unchanged, in pieces", async () => {
    expect((await run("echo", "https://api.example/echo", "12000000", "12000000")).stdout).toBe("code 0, length 12000000, same\n");
  });

  test("an origin that answers before it has read the body is heard", async () => {
    expect((await run("echo", "http://api.example/early", "12000000", "100")).stdout).toBe("code 0, length 8, other\n");
  });
});

describe("what is refused", () => {
  test.for(["http", "https"])("a host that is not on the list over %s is code 4, explained once on stderr", async (scheme) => {
    const { stdout, stderr } = await run("askAll", `${scheme}://no.example/a`, `${scheme}://no.example/b`, `${scheme}://no2.example/`);
    expect(stdout).toBe("code 4\ncode 4\ncode 4\n");
    const port = scheme === "http" ? 80 : 443;
    const line = (host: string): string =>
      `skrei: http_request to ${host}: ${host}:${port} is not on the job's list. Add it with --domain. (EGRESS_HOST_NOT_ON_JOB_LIST)\n`;
    expect(stderr).toBe(line("no.example") + line("no2.example"));
  });

  test("without a door every request is code 4, and the module runs on", async () => {
    const { end, output } = await runWasm(executor, wasmTask("http", { parameters: ["askAll", "http://a.example/", "http://b.example/"] }));
    expect(end).toMatchObject({ exitCode: 0, failure: undefined });
    expect(output.stdout).toBe("code 4\ncode 4\n");
    expect(output.stderr).toMatch(/^skrei: http_request is not allowed: this task has no network\.[^\n]*\n$/u);
  });

  test("a wrong credential is code 4", async () => {
    const door = { ...proxy.door, credential: "e-test:guessed" };
    const { output } = await runWasm(
      executor,
      wasmTask("http", { parameters: ["askAll", "http://api.example/", "https://api.example/"] }),
      { door },
    );
    expect(output.stdout).toBe("code 4\ncode 4\n");
    expect(output.stderr).toContain("EGRESS_CREDENTIAL_INVALID");
  });

  test.for([
    { title: "of no name", url: "https://mismatch.example/hello", words: "mismatch.example" },
    { title: "that is broken off", url: "http://api.example/breaks", words: "to api.example: aborted" },
    { title: "that nobody listens to", url: "http://closed.example/", words: "closed.example" },
  ])("an origin $title is code 2", async ({ url, words }) => {
    const { stdout, stderr } = await run("askAll", url);
    expect(stdout).toBe("code 2\n");
    expect(stderr).toContain(words);
  });

  test("a certificate that the machine does not trust is code 2", async () => {
    await using strict = await startExecutor({ requestTimeoutMs: TIMEOUT_MS });
    const { output } = await runWasm(strict.executor, wasmTask("http", { parameters: ["askAll", "https://api.example/hello"] }), {
      door: proxy.door,
    });
    expect(output.stdout).toBe("code 2\n");
    expect(output.stderr).toBe(
      "skrei: http_request to api.example: the certificate of api.example is not trusted by this node: self-signed certificate\n",
    );
  });

  test("a proxy that is not there is code 2", async () => {
    const door = { ...proxy.door, socketPath: join(folder, "absent.sock") };
    const { output } = await runWasm(
      executor,
      wasmTask("http", { parameters: ["askAll", "http://api.example/", "https://api.example/"] }),
      { door },
    );
    expect(output.stdout).toBe("code 2\ncode 2\n");
  });

  test.for([
    { title: "nothing", url: "" },
    { title: "another scheme", url: "ftp://api.example/" },
    { title: "no URL", url: "api.example" },
    { title: "no host", url: "http://" },
    { title: "credentials", url: "http://user:secret@api.example/" },
    { title: "an impossible port", url: "http://api.example:99999/" },
    { title: "9,000 characters", url: `http://api.example/${"a".repeat(9_000)}` },
  ])("a URL with $title is code 1", async ({ url }) => {
    const { length } = proxy.asked;
    expect((await run("askAll", url)).stdout).toBe("code 1\n");
    expect(proxy.asked).toHaveLength(length);
  });

  test.for([
    { title: "no colon", headers: "no colon" },
    { title: "no name", headers: ": no name" },
    { title: "a space in a name", headers: "sp ace: a" },
    { title: "a carriage return in a value", headers: "x: a\rb: c" },
    { title: "letters beyond Latin 1", headers: "x: ж" },
    { title: "301 lines", headers: "x: a\n".repeat(301) },
  ])("headers with $title are code 6", async ({ headers }) => {
    const { length } = proxy.asked;
    expect((await run("ask", GET, "http://api.example/hello", headers, "")).stdout).toBe("code 6\n");
    expect(proxy.asked).toHaveLength(length);
  });
});

describe("redirects", () => {
  test("each hop asks the proxy, and secrets stay with their origin", async () => {
    const from = proxy.asked.length;
    const url = `https://api.example/to?url=${encodeURIComponent("https://other.example/hello")}`;
    const { stdout } = await run("ask", GET, url, "Authorization: Bearer x\nCookie: a=b\nX-Mine: 1", "");
    expect(stdout).toContain("\n\nhello\n");
    expect(proxy.asked.slice(from)).toEqual(["CONNECT api.example:443", "CONNECT other.example:443"]);
    expect(lastSeen()).toMatchObject({ host: "other.example", "x-mine": "1" });
    expect(lastSeen()).not.toHaveProperty("authorization");
    expect(lastSeen()).not.toHaveProperty("cookie");
  });

  test("a redirect to a host that is not on the list is code 4", async () => {
    const { stdout, stderr } = await run("askAll", `https://api.example/to?url=${encodeURIComponent("https://no.example/")}`);
    expect(stdout).toBe("code 4\n");
    expect(stderr).toContain("no.example:443 is not on the job's list");
  });

  test("https never leads to http", async () => {
    const from = proxy.asked.length;
    const { stdout, stderr } = await run("askAll", `https://api.example/to?url=${encodeURIComponent("http://api.example/hello")}`);
    expect(stdout).toBe("code 4\n");
    expect(stderr).toContain("from https to http");
    expect(proxy.asked.slice(from)).toEqual(["CONNECT api.example:443"]);
  });

  test.for([
    { status: 302, method: "GET", body: "" },
    { status: 303, method: "GET", body: "" },
    { status: 307, method: "POST", body: "again" },
    { status: 308, method: "POST", body: "again" },
  ])("$status after a POST asks with $method", async ({ status, method, body }) => {
    const { stdout } = await run("ask", POST, `http://api.example/to?status=${status}&url=/echo`, "", "again");
    expect(stdout.endsWith(`\n\n${body}\n`)).toBe(true);
    expect(lastSeen()).toMatchObject({ method, path: "/echo" });
  });

  test("the sixth is not followed", async () => {
    const from = proxy.asked.length;
    const { stdout, stderr } = await run("askAll", "http://api.example/round");
    expect(stdout).toBe("code 2\n");
    expect(stderr).toContain("redirects more than 5 times");
    expect(proxy.asked.slice(from)).toHaveLength(6);
  });
});

describe("bounds", () => {
  test.for(["never", "stalls"])("an origin that %s is code 3", async (page) => {
    await using hasty = await startExecutor({ requestTimeoutMs: TIMEOUT_MS });
    const task = wasmTask("http", { parameters: ["askAll", `http://api.example/${page}`] });
    const { output } = await runWasm(hasty.executor, task, { door: proxy.door });
    expect(output.stdout).toBe("code 3\n");
    expect(output.stderr).toBe(`skrei: http_request to api.example: the request was not over within ${TIMEOUT_MS} ms\n`);
  });

  test("an origin that the proxy found too slow is code 3", async () => {
    expect((await run("askAll", "http://slow.example/", "https://slow.example/")).stdout).toBe("code 3\ncode 3\n");
  });

  test("a body beyond the guest's buffer is code 5, whether announced or not", async () => {
    const { stdout } = await run("askAll", "http://api.example/endless");
    expect(stdout).toBe("code 5\n");
    expect((await run("echo", "http://api.example/echo", "1001", "1000")).stdout).toBe("code 5, length 1000, other\n");
  });

  test("a body beyond four fifths of the guest's memory is code 5, and the agent holds on to none of it", async () => {
    const before = heldBytes();
    expect((await run("echo", "http://api.example/endless", "1", String(60 * MIB))).stdout).toMatch(/^code 5, /u);
    expect(heldBytes() - before).toBeLessThan(20 * MIB);
  });

  test("headers beyond 64 KiB are code 5", async () => {
    expect((await run("askAll", "http://api.example/many-headers")).stdout).toBe("code 5\n");
  });

  test("pointers and lengths that lie are code 6, and nothing is sent", async () => {
    const { length } = proxy.asked;
    expect((await run("beHostile", "http://api.example/hello")).stdout).toBe("6 ".repeat(20));
    expect(proxy.asked).toHaveLength(length);
  });

  test("a module that gives the import another type gets code 6", async () => {
    const { end } = await runWasm(executor, wasmTask("http-signature"), { door: proxy.door });
    expect(end).toMatchObject({ exitCode: 6, failure: undefined });
  });
});

describe("the end of a run", () => {
  test.for([
    {
      title: "while it waits for an answer",
      parameters: ["askAll", "http://api.example/never"],
      isThere: () => proxy.openConnections() === 1,
    },
    {
      title: "in the middle of a body",
      parameters: ["echo", "https://api.example/endless", "1", "60000000"],
      isThere: () => proxy.openConnections() === 1,
    },
  ])("a guest that is stopped $title ends at once and leaves no connection", async ({ parameters, isThere }) => {
    await eventually(proxy.openConnections, (count) => count === 0, { withinMs: 5_000 });
    await using patient = await startExecutor({ requestTimeoutMs: 60_000, extraCertificates: [origin.certificate] });
    const spec = wasmSpec(wasmTask("http", { parameters }), { door: proxy.door, limits: { memoryBytes: 256 * MIB } });
    await patient.executor.launch(spec, new CollectedOutput(), signal());
    await eventually(isThere, Boolean, { withinMs: 10_000 });
    await patient.executor.stop(spec.executionId, 0);
    expect(await patient.executor.wait(spec.executionId, signal())).toMatchObject({
      exitCode: 137,
      failure: { reason: "KILLED_BY_SIGNAL" },
    });
    await eventually(proxy.openConnections, (count) => count === 0, { withinMs: 5_000 });
  });

  test("a guest that loops after a request is killed all the same", async () => {
    const spec = wasmSpec(wasmTask("http", { parameters: ["askThenLoop", "http://api.example/hello"] }), { door: proxy.door });
    const output = new CollectedOutput();
    await executor.launch(spec, output, signal());
    await eventually(
      () => output.stdout,
      (text) => text.includes("hello"),
      { withinMs: 10_000 },
    );
    await executor.stop(spec.executionId, 0);
    expect(await executor.wait(spec.executionId, signal())).toMatchObject({ failure: { reason: "KILLED_BY_SIGNAL" } });
    await executor.remove(spec.executionId);
  });
});

async function startExecutor(options: {
  requestTimeoutMs: number;
  extraCertificates?: readonly string[];
  isWallWanted?: boolean;
}): Promise<AsyncDisposable & { readonly executor: WasmExecutor }> {
  const started = new WasmExecutor({ clock: wallClock, cacheFolder: join(folder, "cache"), ...options });
  await started.start();
  return { executor: started, [Symbol.asyncDispose]: async () => await started.close() };
}
