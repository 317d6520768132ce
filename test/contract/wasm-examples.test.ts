import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mount } from "@skrei/compute-agent/ports";
import { WasmExecutor } from "@skrei/compute-agent/wasm-executor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runWasm, wallClock } from "../kit/wasm-run.ts";

let folder: string;
let executor: WasmExecutor;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wasm-examples-"));
  executor = new WasmExecutor({ clock: wallClock, cacheFolder: join(folder, "cache") });
  await executor.start();
});

afterAll(async () => {
  await executor.close();
  await rm(folder, { recursive: true, force: true });
});

test.for([0, 1, 2])("wordcount: partition %i of 3 prints and writes what is expected", async (partition) => {
  const { stdout, outputs } = await runExample("wordcount", {
    parameters: ["/texts"],
    inputs: [{ hostPath: inExamples("wordcount/texts"), target: "/texts", isReadOnly: true }],
    partition,
    count: 3,
  });
  expect(stdout).toBe(await expected(`wordcount/expected/${partition}/stdout`));
  expect(await readFile(join(outputs, "counts.csv"), "utf8")).toBe(await expected(`wordcount/expected/${partition}/counts.csv`));
});

test.for([0, 1, 2, 3])("primes: partition %i of 4 prints what is expected", async (partition) => {
  const { stdout } = await runExample("primes", { parameters: ["0", "4000000"], inputs: [], partition, count: 4 });
  expect(stdout).toBe(await expected(`primes/expected/${partition}/stdout`));
});

test("sha256-tree writes what sha256sum would", async () => {
  const { outputs } = await runExample("sha256-tree", {
    parameters: ["/folder"],
    inputs: [{ hostPath: inExamples("sha256-tree/folder"), target: "/folder", isReadOnly: true }],
    partition: 0,
    count: 1,
  });
  expect(await readFile(join(outputs, "SHA256SUMS"), "utf8")).toBe(await expected("sha256-tree/expected/SHA256SUMS"));
});

test("csv-totals adds up the lines of the files that its list names", async () => {
  const list = join(folder, "inputs.json");
  const files = ["2025.csv", "2026.csv"].map((path) => ({ path, sizeBytes: 1 }));
  await writeFile(list, JSON.stringify({ partition: { index: 0, count: 1 }, inputs: [{ target: "/orders", alias: "orders", files }] }));
  const { stdout, outputs } = await runExample("csv-totals", {
    parameters: [],
    inputs: [
      { hostPath: inExamples("csv-totals/orders"), target: "/orders", isReadOnly: true },
      { hostPath: list, target: "/skrei/inputs.json", isReadOnly: true },
    ],
    env: { SKREI_INPUTS_FILE: "/skrei/inputs.json" },
    partition: 0,
    count: 1,
  });
  expect(stdout).toBe(await expected("csv-totals/expected/stdout"));
  expect(await readFile(join(outputs, "totals.csv"), "utf8")).toBe(await expected("csv-totals/expected/totals.csv"));
});

interface ExampleParts {
  readonly parameters: readonly string[];
  readonly inputs: readonly Mount[];
  readonly env?: Readonly<Record<string, string>>;
  readonly partition: number;
  readonly count: number;
}

async function runExample(name: string, parts: ExampleParts): Promise<{ readonly stdout: string; readonly outputs: string }> {
  const outputs = join(folder, `${name}-${parts.partition}`);
  await mkdir(outputs);
  const entryModule = `/app/${name}.wasm`;
  const task = {
    engine: { name: "wasm", entryModule, entrypoint: "_start", parameters: parts.parameters },
    mounts: [{ hostPath: inExamples(`${name}/${name}.wasm`), target: entryModule, isReadOnly: true }],
  } as const;
  const { end, output } = await runWasm(executor, task, {
    env: { SKREI_PARTITION_INDEX: String(parts.partition), SKREI_PARTITION_COUNT: String(parts.count), ...parts.env },
    mounts: [...parts.inputs, { hostPath: outputs, target: "/outputs", isReadOnly: false }],
  });
  expect({ exitCode: end.exitCode, failure: end.failure, stderr: output.stderr }).toEqual({ exitCode: 0, failure: undefined, stderr: "" });
  return { stdout: output.stdout, outputs };
}

async function expected(path: string): Promise<string> {
  return await readFile(inExamples(path), "utf8");
}

function inExamples(path: string): string {
  return fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
}
