import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WasmExecutor } from "@skrei/compute-agent/wasm-executor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { wasmProgram, wasmTask } from "../kit/wasm-modules.ts";
import { runWasm, wallClock, wasmSpec } from "../kit/wasm-run.ts";
import { heldBytes } from "../kit/held-bytes.ts";

const MIB = 1_024 * 1_024;
const signal = (): AbortSignal => AbortSignal.timeout(20_000);

let folder: string;
let executor: WasmExecutor;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wasm-hostile-"));
  executor = new WasmExecutor({ clock: wallClock, cacheFolder: join(folder, "cache") });
  await executor.start();
});

afterAll(async () => {
  await executor.close();
  await rm(folder, { recursive: true, force: true });
});

describe("modules that cannot run", () => {
  test.for([
    { module: "missing-import", message: /imports the function env\.open_door/u },
    { module: "no-memory", message: /exports no memory/u },
  ])("$module is refused with the reason", async ({ module, message }) => {
    const refusal = executor.prepare(wasmSpec(wasmTask(module)), signal());
    await expect(refusal).rejects.toMatchObject({ kind: "invalid", reason: "MODULE_INVALID", message: expect.stringMatching(message) });
  });

  test("names the exports there are when the entry point is missing", async () => {
    const refusal = executor.prepare(wasmSpec(wasmTask("trap", { entrypoint: "main" })), signal());
    await expect(refusal).rejects.toThrow('the module exports no function "main"; it exports _start, divide, takesNumber');
  });

  test("an entry point with parameters is a user's mistake", async () => {
    const { end } = await runWasm(executor, wasmTask("trap", { entrypoint: "takesNumber" }));
    expect(end.failure).toMatchObject({ class: "user", reason: "MODULE_INVALID" });
  });

  test("refuses a module over the size limit, with both numbers", async () => {
    await using small = await startExecutor({ moduleBytesMax: 1_024 });
    const { size } = await stat(fileURLToPath(new URL("../wasm/program.wasm", import.meta.url)));
    const refusal = small.executor.prepare(wasmSpec(wasmTask("program")), signal());
    await expect(refusal).rejects.toThrow(`the module has ${size} bytes; at most 1024 are accepted`);
  });

  test.for([
    { title: "a million locals", bytes: moduleOfBody([1, ...leb(1_000_000), 0x7f, 0x0b]) },
    { title: "a body that is cut short", bytes: moduleOfBody([0, 0x41]) },
    { title: "text", bytes: Buffer.from("#!/bin/sh\necho no module\n") },
    { title: "nothing", bytes: Buffer.alloc(0) },
  ])("refuses $title", async ({ bytes }) => {
    const hostPath = join(folder, "hostile.wasm");
    await writeFile(hostPath, bytes);
    const engine = { name: "wasm", entryModule: "/app/hostile.wasm", entrypoint: "_start", parameters: [] } as const;
    const spec = wasmSpec({ engine, mounts: [{ hostPath, target: "/app/hostile.wasm", isReadOnly: true }] });
    await expect(executor.prepare(spec, signal())).rejects.toMatchObject({ reason: "MODULE_INVALID" });
  });

  test("refuses mounts that contain each other", async () => {
    const mounts = ["/data", "/data/inner"].map((target) => ({ hostPath: folder, target, isReadOnly: true }));
    const refusal = executor.prepare(wasmSpec(wasmTask("noop"), { mounts }), signal());
    await expect(refusal).rejects.toMatchObject({ reason: "FIELD_INVALID", message: expect.stringContaining("/data/inner") });
  });

  test("says what the host said when it crashes over a mount that is not there", async () => {
    const mounts = [{ hostPath: join(folder, "absent"), target: "/data", isReadOnly: true }];
    const refusal = executor.prepare(wasmSpec(wasmTask("noop"), { mounts }), signal());
    await expect(refusal).rejects.toMatchObject({ reason: "ENGINE_FAILED", metadata: { stderr: expect.stringContaining("ENOENT") } });
  });

  test("ends a host that takes too long to load its module", async () => {
    await using hasty = await startExecutor({ loadTimeoutMs: 1, hostsAheadMax: 0 });
    const refusal = hasty.executor.prepare(wasmSpec(wasmTask("program")), signal());
    await expect(refusal).rejects.toMatchObject({ reason: "MODULE_INVALID", message: expect.stringContaining("within 1 ms") });
  });
});

describe("modules that misbehave", () => {
  test.for([
    { module: "trap", entrypoint: "_start", text: "unreachable" },
    { module: "trap", entrypoint: "divide", text: "divide by zero" },
  ])("a trap ($text) is a user's failure with the trap's text", async ({ module, entrypoint, text }) => {
    const { end } = await runWasm(executor, wasmTask(module, { entrypoint }));
    expect(end).toMatchObject({
      exitCode: undefined,
      failure: { class: "user", reason: "MODULE_TRAPPED", message: expect.stringContaining(text) },
    });
  });

  test("recursion without end is a trap", async () => {
    const { end } = await runWasm(executor, wasmTask("program", { parameters: ["recurse"] }));
    expect(end.failure).toMatchObject({ class: "user", reason: "MODULE_TRAPPED" });
  });

  test("growth to the limit and a trap is a want of memory", async () => {
    const { end } = await runWasm(executor, wasmTask("grow"), { limits: { memoryBytes: 16 * MIB } });
    expect(end).toMatchObject({ failure: { class: "resource", reason: "OUT_OF_MEMORY" }, exitCode: 137, peakMemoryBytes: 16 * MIB });
  });

  test("a module that wants more at its start than it may have is a want of memory", async () => {
    const { end } = await runWasm(executor, wasmTask("large-start"));
    expect(end.failure).toMatchObject({ class: "resource", reason: "OUT_OF_MEMORY", message: expect.stringContaining("67108864 bytes") });
  });

  test("growth to the limit and a good end is a good end", async () => {
    const { end } = await runWasm(executor, wasmTask("grow", { entrypoint: "polite" }), { limits: { memoryBytes: 16 * MIB } });
    expect(end).toMatchObject({ failure: undefined, exitCode: 0, peakMemoryBytes: 16 * MIB });
  });

  test("pointers outside of the memory are answered with EFAULT by every call", async () => {
    const { end } = await runWasm(executor, wasmTask("bad-pointers"));
    expect(end).toMatchObject({ exitCode: 0, failure: undefined });
  });

  test("a flood of 400 MB reaches the sink whole while the agent's memory stays flat", async () => {
    const spec = wasmSpec(wasmTask("program", { parameters: ["flood", "400"] }));
    let taken = 0;
    let collectedAt = 0;
    let heldBytesMax = 0;
    const heldBytesBefore = heldBytes();
    const write = async (_stream: string, data: Uint8Array): Promise<void> => {
      taken += data.length;
      if (taken - collectedAt < 32 * MIB) return;
      collectedAt = taken;
      heldBytesMax = Math.max(heldBytesMax, heldBytes());
    };
    await executor.launch(spec, { write, bytesTaken: () => taken }, signal());
    await executor.wait(spec.executionId, signal());
    await executor.remove(spec.executionId);
    expect(taken).toBe(400 * MIB);
    expect(heldBytesMax).toBeGreaterThan(0);
    expect(heldBytesMax - heldBytesBefore).toBeLessThan(64 * MIB);
  });

  test("a sink that takes nothing holds the guest back", async () => {
    const spec = wasmSpec(wasmTask("program", { parameters: ["flood", "64"] }));
    const gate = Promise.withResolvers<void>();
    let calls = 0;
    const write = async (): Promise<void> => {
      calls++;
      await gate.promise;
    };
    await executor.launch(spec, { write, bytesTaken: () => 0 }, signal());
    await eventually(
      () => calls,
      (count) => count === 1,
      { withinMs: 10_000 },
    );
    expect(await executor.held()).toContainEqual({ executionId: spec.executionId, isRunning: true });
    await executor.stop(spec.executionId, 0);
    gate.resolve();
    expect(await executor.wait(spec.executionId, signal())).toMatchObject({ exitCode: 137, failure: { reason: "KILLED_BY_SIGNAL" } });
    await executor.remove(spec.executionId);
  });
});

describe("the disk quota", () => {
  test("stops a file at the byte, and says so when the task then fails", async () => {
    const outputs = join(folder, "quota");
    await mkdir(outputs);
    const { end, output } = await runWasm(executor, wasmTask("program", { parameters: ["fillDisk", "/outputs/big", "1"] }), {
      mounts: [{ hostPath: outputs, target: "/outputs", isReadOnly: false }],
      limits: { diskBytes: 1_000_003 },
    });
    expect(output.stdout).toBe("1000003\n");
    expect((await stat(join(outputs, "big"))).size).toBe(1_000_003);
    expect(end).toMatchObject({ exitCode: 5, failure: { class: "resource", reason: "OUT_OF_DISK" } });
  });

  test("counts what lies in the folder already", async () => {
    const outputs = join(folder, "quota-before");
    await mkdir(outputs);
    await writeFile(join(outputs, "before"), Buffer.alloc(600));
    const { end, output } = await runWasm(executor, wasmTask("program", { parameters: ["fillDisk", "/outputs/big", "0"] }), {
      mounts: [{ hostPath: outputs, target: "/outputs", isReadOnly: false }],
      limits: { diskBytes: 1_000 },
    });
    expect({ stdout: output.stdout, exitCode: end.exitCode, failure: end.failure }).toEqual({
      stdout: "400\n",
      exitCode: 0,
      failure: undefined,
    });
  });
});

describe("what a guest sees", () => {
  test("argv begins with the module's path", async () => {
    const { output } = await runWasm(executor, wasmTask("program", { parameters: ["args", "two words", "žluť", ""] }));
    expect(output.stdout).toBe("[/app/program.wasm][args][two words][žluť][]");
  });

  test("a sleep is a sleep", async () => {
    const { output } = await runWasm(executor, wasmTask("program", { parameters: ["sleep", "50"] }));
    expect(output.stdout).toBe("slept\n");
  });

  test("a file mounted alone is at its absolute path", async () => {
    const hostPath = join(folder, "alone.txt");
    await writeFile(hostPath, "alone");
    const { output } = await runWasm(executor, wasmProgram({ does: "printFile", path: "/data/deep/a.txt" }), {
      mounts: [{ hostPath, target: "/data/deep/a.txt", isReadOnly: true }],
    });
    expect(output.stdout).toBe("alone");
  });

  test("the digest of the module comes with the end", async () => {
    const bytes = await readFile(new URL("../wasm/noop.wasm", import.meta.url));
    const { end } = await runWasm(executor, wasmTask("noop"));
    expect(end.imageDigest).toBe(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
  });
});

describe("when the agent is killed", () => {
  test.for([
    { launcher: "bubblewrap", path: process.env["PATH"] ?? "", wall: "wall" },
    { launcher: "setpriv", path: process.env["PATH"] ?? "", wall: "none" },
    { launcher: "a watching shell", path: "/nonexistent", wall: "none" },
  ])("a looping guest and the host ahead end with it, under $launcher", async ({ path, wall }) => {
    const script = fileURLToPath(new URL("../kit/wasm-agent.ts", import.meta.url));
    const agent = spawn(process.execPath, [script, join(folder, "cache"), wall], {
      env: { PATH: path },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(agent.stdout, "data")) as [Buffer];
    const { pids } = JSON.parse(line.toString()) as { pids: readonly number[] };
    expect(pids.length).toBeGreaterThanOrEqual(2);
    agent.kill("SIGKILL");
    await eventually(
      () => pids.filter(isAlive),
      (alive) => alive.length === 0,
      { withinMs: 10_000 },
    );
  });
});

async function startExecutor(options: {
  moduleBytesMax?: number;
  loadTimeoutMs?: number;
  hostsAheadMax?: number;
}): Promise<AsyncDisposable & { readonly executor: WasmExecutor }> {
  const started = new WasmExecutor({ clock: wallClock, cacheFolder: join(folder, "cache"), ...options });
  await started.start();
  return { executor: started, [Symbol.asyncDispose]: async () => await started.close() };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // ESRCH: it is gone.
    return false;
  }
}

/** A module of one function `_start` with this code entry. */
function moduleOfBody(body: readonly number[]): Buffer {
  const code = [1, ...leb(body.length), ...body];
  const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const types = [1, 4, 1, 0x60, 0, 0];
  const functions = [3, 2, 1, 0];
  const exported = [7, 10, 1, 6, ...Buffer.from("_start"), 0, 0];
  return Buffer.from([magic, types, functions, exported, [10, ...leb(code.length), ...code]].flat());
}

function leb(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}
