import { copyFile, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { aWasmJob } from "../kit/a-job.ts";
import { expectInvariants } from "../kit/invariants.ts";
import { useCluster } from "../kit/use-cluster.ts";

const cluster = useCluster({ engines: ["wasm"] });
const moduleFile = (name: string): string => new URL(`../wasm/${name}.wasm`, import.meta.url).pathname;

test("runs a module from this machine and prints what it prints", async () => {
  const { code, stdout, stderr } = await cluster().runCli([
    "wasm",
    "run",
    "-q",
    moduleFile("program"),
    "--",
    "print",
    "to stdout",
    "to stderr",
  ]);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "to stdout", stderr: "to stderr" });
});

test("fails with the module's exit code", async () => {
  const { code, stderr } = await cluster().runCli(["wasm", "run", moduleFile("program"), "--", "exit", "7"]);
  expect(code).toBe(1);
  expect(stderr).toContain("exit code 7");
});

test("reads an input and writes an output", async () => {
  const folder = await mkdtemp(join(cluster().folder, "wasm-"));
  await writeFile(join(folder, "note"), "read in wasm");
  const read = await cluster().runCli(["wasm", "run", "-q", "-i", `${folder}:/in`, moduleFile("program"), "--", "printFile", "/in/note"]);
  expect(read).toMatchObject({ code: 0, stdout: "read in wasm" });
  const got = join(folder, "got");
  const written = await cluster().runCli([
    "wasm",
    "run",
    "-q",
    "-o",
    "out:/out",
    "--get",
    got,
    moduleFile("program"),
    "--",
    "writeFile",
    "/out/file",
    "written",
  ]);
  expect(written).toMatchObject({ code: 0 });
  expect(await readFile(join(got, "outputs", "out", "file"), "utf8")).toBe("written");
});

test("a module that is none fails at once, with the reason", async () => {
  const folder = await mkdtemp(join(cluster().folder, "bad-"));
  await copyFile(new URL(import.meta.url), join(folder, "bad.wasm"));
  const { code, stderr } = await cluster().runCli(["wasm", "run", join(folder, "bad.wasm")]);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/MODULE_INVALID|FIELD_INVALID/u);
});

test("a trap is the module's own failure", async () => {
  const { code, stderr } = await cluster().runCli(["wasm", "run", moduleFile("trap")]);
  expect(code).toBe(1);
  expect(stderr).toContain("MODULE_TRAPPED");
});

test("a module that never ends is stopped", async () => {
  const jobId = await cluster().submit(aWasmJob("program", { parameters: ["runForever"] }));
  await cluster().runningExecution(jobId);
  expect(await cluster().runCli(["job", "stop", jobId, "--wait"])).toMatchObject({ code: 0 });
  expect(await cluster().job(jobId)).toMatchObject({ state: "stopped" });
});

test("a container waits for an engine that no node has, and is told so", async () => {
  const { code, stderr } = await cluster().runCli(["docker", "run", "busybox", "--", "true"]);
  expect(code).toBe(6);
  expect(stderr).toContain("ENGINE_MISSING");
  const [, jobId = ""] = /(j-[0-9a-z]{26})/u.exec(stderr) ?? [];
  await cluster().jobs.stopJob({ jobId });
});

test("leaves nothing of all that behind", async () => {
  await expectInvariants(cluster());
});
