import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../kit/embedded.ts";

const WORDCOUNT = fileURLToPath(new URL("../../examples/wordcount", import.meta.url));

let embedded: Embedded;
beforeAll(async () => {
  embedded = await startEmbedded();
});
afterAll(async () => {
  await embedded[Symbol.asyncDispose]();
});

test("a container prints hello and nothing else on stdout", async () => {
  const { code, stdout, stderr } = await embedded.runCli(["docker", "run", "busybox", "--", "echo", "hello"]);
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: "hello\n" });
  expect(stderr).toMatch(/j-[0-9a-z]{26} .*docker, 1 part\n/u);
  expect(stderr).toMatch(/✓ part 0/u);
});

test("a pipe gets the job's bytes as they are, escapes and all", async () => {
  const { stdout } = await embedded.runCli(["run", "busybox", "-q", "--", "printf", String.raw`a\033[2Jb\000c\r\n`]);
  expect(stdout).toBe("a\u001B[2Jb\u0000c\r\n");
});

test("a failed job ends with 1, its exit code, its last words and what to do", async () => {
  const failing = ["busybox", "--", "sh", "-c", "echo no such table: orders >&2; exit 7"];
  const { code, stdout, stderr } = await embedded.runCli(["docker", "run", ...failing]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/exit code 7/u);
  expect(stderr).toMatch(/last: no such table: orders/u);
  expect(stderr.trimEnd().split("\n").at(-1)).toMatch(/fix: /u);
  expect((await embedded.runCli(["docker", "run", "--exit-code", ...failing])).code).toBe(7);
});

test("a misspelt command is the reason of the failure", async () => {
  const { code, stderr } = await embedded.runCli(["docker", "run", "busybox", "--", "eho"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/has no program "eho"/u);
  expect(stderr).toMatch(/COMMAND_NOT_FOUND/u);
});

test("three parts write their output in the order of the parts, and their results are the expected files", async () => {
  const { code, stdout, stderr } = await embedded.runCli(["run", "--example", "wordcount", "--get", "out"]);
  const expected = await Promise.all([0, 1, 2].map((part) => readFile(join(WORDCOUNT, "expected", String(part), "stdout"), "utf8")));
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: expected.join("") });
  for (const part of ["0", "1", "2"]) {
    expect((await readdir(join(embedded.folder, "out", part))).toSorted()).toEqual(["exitCode", "outputs", "stderr", "stdout"]);
    const counts = join(part, "outputs", "outputs", "counts.csv");
    expect(await readFile(join(embedded.folder, "out", counts), "utf8")).toBe(
      await readFile(join(WORDCOUNT, "expected", part, "counts.csv"), "utf8"),
    );
  }
  expect(stderr).toMatch(/every byte matches its content id/u);
});

test("a folder of this machine is an input, and a result is not overwritten unasked", async () => {
  await mkdir(join(embedded.folder, "data", "deep"), { recursive: true });
  await writeFile(join(embedded.folder, "data", "deep", "a.txt"), "from here\n");
  const args = ["run", "-i", "./data:/inputs", "-o", "copy:/copy", "busybox", "-d", "--", "cp", "/inputs/deep/a.txt", "/copy/b.txt"];
  const jobId = (await embedded.runCli(args)).stdout.trim();
  expect((await embedded.runCli(["job", "wait", jobId])).code).toBe(0);
  expect((await embedded.runCli(["job", "get", jobId, "--to", "got"])).code).toBe(0);
  expect(await readFile(join(embedded.folder, "got/outputs/copy/b.txt"), "utf8")).toBe("from here\n");
  expect((await embedded.runCli(["job", "get", jobId, "--to", "got"])).code, "what is there and whole is no obstacle").toBe(0);
  await writeFile(join(embedded.folder, "got/outputs/copy/b.txt"), "mine now\n");
  const again = await embedded.runCli(["job", "get", jobId, "--to", "got"]);
  expect(again.code, again.stderr).toBe(8);
  expect(again.stderr).toMatch(/--overwrite/u);
  expect(await readFile(join(embedded.folder, "got/outputs/copy/b.txt"), "utf8")).toBe("mine now\n");
  expect((await embedded.runCli(["job", "get", jobId, "--to", "got", "--overwrite"])).code).toBe(0);
  expect(await readFile(join(embedded.folder, "got/outputs/copy/b.txt"), "utf8")).toBe("from here\n");
});

test("a job that no node can run ends with 6 and says why", async () => {
  const { code, stderr } = await embedded.runCli(["run", "--where", "zone=moon", "busybox"]);
  expect(code, stderr).toBe(6);
  expect(stderr).toMatch(/error: No node can run this job/u);
  expect(stderr).toMatch(/zone/u);
});

test("refusals of the server name the place in the job file", async () => {
  await cp(WORDCOUNT, join(embedded.folder, "wordcount"), { recursive: true });
  const file = join(embedded.folder, "wordcount", "job.yaml");
  await writeFile(file, (await readFile(file, "utf8")).replace("Name: wordcount", "Namespace: Word Count"));
  const { code, stderr } = await embedded.runCli(["run", "-f", "wordcount/job.yaml"]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/wordcount\/job\.yaml:1:1 Namespace: /u);
});

test("lists come in every form, and an unknown job is not found", async () => {
  const [newest = ""] = (await embedded.runCli(["job", "list", "-q"])).stdout.split("\n");
  const json = JSON.parse((await embedded.runCli(["job", "list", "-o", "json", "--limit", "1"])).stdout) as { jobId: string }[];
  expect(json.map(({ jobId }) => jobId)).toEqual([newest]);
  const described = await embedded.runCli(["job", "describe", newest, "-o", "yaml"]);
  expect(described.stdout).toMatch(new RegExp(`^jobId: ${newest}$`, "mu"));
  const unknown = await embedded.runCli(["job", "describe", "j-00000000"]);
  expect(unknown.code).toBe(3);
  expect(unknown.stderr).toMatch(/JOB_NOT_FOUND/u);
  const nodes = await embedded.runCli(["node", "list"]);
  expect(nodes.stdout.match(/ ready /gu)).toHaveLength(3);
});

test("a drained node is drained for the scheduler and the list", async () => {
  expect((await embedded.runCli(["node", "drain", "dev-3"])).stderr).toMatch(/dev-3 .* is draining/u);
  expect((await embedded.runCli(["node", "list"])).stdout).toMatch(/dev-3 +draining/u);
  expect((await embedded.runCli(["node", "undrain", "dev-3"])).stderr).toMatch(/is ready/u);
});

test("a list ends quietly with 0 when nobody reads on", async () => {
  const bin = fileURLToPath(new URL("../../cli/bin/skrei.js", import.meta.url));
  const script = `'${process.execPath}' '${bin}' job list --all -o json | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await promisify(execFile)("bash", ["-c", script], { env: { PATH: process.env["PATH"], ...embedded.env } });
  expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
});
