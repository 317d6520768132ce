import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WasmExecutor } from "@skrei/compute-agent/wasm-executor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { wasmTask } from "../kit/wasm-modules.ts";
import { runWasm, wallClock } from "../kit/wasm-run.ts";

const STEPS_MIN = 60;
const CANARY = "canary-3f9c, not for guests";

let folder: string;
let executor: WasmExecutor;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wasm-escape-"));
  // No second wall: this is about the host itself.
  executor = new WasmExecutor({ clock: wallClock, cacheFolder: join(folder, "cache"), isWallWanted: false });
  await executor.start();
  await layOut();
});

afterAll(async () => {
  await executor.close();
  await rm(folder, { recursive: true, force: true });
});

test("lets no step of the escape probe through, and leaves inputs and everything around as they were", async () => {
  const watched = ["inputs", "secret", "other", "single.txt"].map((name) => join(folder, name));
  const before = await Promise.all(watched.map(digestOf));
  const { end, output } = await runWasm(executor, wasmTask("escape", { parameters: [join(folder, "secret/canary.txt")] }), {
    mounts: [
      { hostPath: join(folder, "inputs"), target: "/inputs", isReadOnly: true },
      { hostPath: join(folder, "other"), target: "/other", isReadOnly: true },
      { hostPath: join(folder, "single.txt"), target: "/single.txt", isReadOnly: true },
      { hostPath: join(folder, "outputs"), target: "/outputs", isReadOnly: false },
    ],
  });
  const steps = output.stdout.split("\n").filter((line) => /^\d+\t/u.test(line));
  expect(steps.filter((line) => !line.includes("\trefused\t"))).toEqual([]);
  expect(steps.length).toBeGreaterThanOrEqual(STEPS_MIN);
  expect({ exitCode: end.exitCode, stderr: output.stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(output.stdout).not.toContain(CANARY);
  expect(await Promise.all(watched.map(digestOf))).toEqual(before);
});

async function layOut(): Promise<void> {
  const inputs = join(folder, "inputs");
  for (const name of ["secret", "other", "outputs", "inputs/sub"]) await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, "secret/canary.txt"), CANARY);
  await writeFile(join(folder, "other/file.txt"), "of the other mount");
  await writeFile(join(folder, "single.txt"), "a file of its own");
  await writeFile(join(inputs, "ok.txt"), "allowed");
  const links: Readonly<Record<string, string>> = {
    inside: "sub/../ok.txt",
    absolute: join(folder, "secret/canary.txt"),
    relative: "../secret/canary.txt",
    "folder-absolute": join(folder, "secret"),
    "folder-relative": "../secret",
    "chain-1": "sub/chain-2",
    "sub/chain-2": "../chain-3",
    "chain-3": "relative",
    "sub/up": "../..",
    through: "sub/../../secret/canary.txt",
    loop: "loop",
    etc: "/etc",
    proc: "/proc",
    "other-mount": "../other/file.txt",
  };
  for (const [name, target] of Object.entries(links)) await symlink(target, join(inputs, name));
  for (let hop = 0; hop < 40; hop++) await symlink(hop === 39 ? "ok.txt" : hopName(hop + 1), join(inputs, hopName(hop)));
  execFileSync("mkfifo", [join(inputs, "pipe")]);
  await symlink("../secret/canary.txt", join(folder, "outputs/planted"));
}

function hopName(hop: number): string {
  return `hop-${String(hop).padStart(2, "0")}`;
}

/** Of names, kinds, times, link texts and contents of a whole tree. */
async function digestOf(path: string): Promise<string> {
  const stat = await lstat(path);
  const hash = createHash("sha256").update(`${stat.mode} ${stat.size} ${stat.mtimeMs} ${stat.nlink}`);
  if (stat.isSymbolicLink()) hash.update(await readlink(path));
  else if (stat.isFile()) hash.update(await readFile(path));
  else if (stat.isDirectory())
    for (const name of (await readdir(path)).toSorted()) hash.update(name).update(await digestOf(join(path, name)));
  return hash.digest("hex");
}
