import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../kit/embedded.ts";

let embedded: Embedded;
beforeAll(async () => {
  embedded = await startEmbedded(["--nodes", "1"]);
});
afterAll(async () => {
  await embedded[Symbol.asyncDispose]();
});

async function stdoutOf(...words: readonly string[]): Promise<string> {
  const { stdout, stderr, code } = await embedded.runCli(words);
  expect(code, stderr).toBe(0);
  return stdout;
}

test("nodes have their names beside their ids wherever a job is told of", async () => {
  await stdoutOf("run", "--example", "primes", "--count", "1", "--name", "named", "-q");
  for (const verb of ["describe", "executions", "history"]) expect(await stdoutOf("job", verb, "named")).toMatch(/ dev-1 +n-/u);
  const plan = await embedded.runCli(["job", "plan"], {
    input: "Type: batch\nTasks: [{Engine: {Type: docker, Params: {Image: busybox}}}]\n",
  });
  expect(plan.stdout).toMatch(/^dev-1 +n-/mu);
});

test("after a rerun the attempts show their version", async () => {
  expect(await stdoutOf("job", "executions", "named")).not.toMatch(/VERSION/u);
  await stdoutOf("job", "rerun", "named", "-q");
  expect(await stdoutOf("job", "executions", "named")).toMatch(/VERSION/u);
});

test("the output of several parts says of each line whose it is, of one part or with --raw it is the bytes", async () => {
  await stdoutOf("run", "--example", "primes", "--count", "2", "--name", "paired", "-q");
  const lines = (await stdoutOf("job", "logs", "paired")).trimEnd().split("\n");
  expect(new Set(lines.map((line) => line.slice(0, 9)))).toEqual(new Set(["part 0 | ", "part 1 | "]));
  const raw = await stdoutOf("job", "logs", "paired", "--raw");
  expect(raw.trimEnd().split("\n").toSorted()).toEqual(lines.map((line) => line.slice(9)).toSorted());
  expect(await stdoutOf("job", "logs", "named")).not.toMatch(/^part/u);
});

test("a list that has every job names no next page, a shorter one does", async () => {
  const { length } = (await stdoutOf("job", "list", "--all", "-o", "name")).trimEnd().split("\n");
  expect((await embedded.runCli(["job", "list", "--limit", String(length)])).stderr).toBe(`${length} in all\n`);
  expect((await embedded.runCli(["job", "list", "--limit", "1"])).stderr).toContain(
    `1 shown, ${length} in all; next: skrei job list --limit 1`,
  );
});

test("the attempts of a job are told of by part", async () => {
  await stdoutOf("run", "--example", "primes", "--count", "8", "--name", "eight", "-q");
  const parts = [...(await stdoutOf("job", "describe", "eight")).matchAll(/^e-\w+ +(\d)/gmu)].map(([, part]) => part);
  expect(parts).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
});

test("a folder that the system cannot make is refused at once", async () => {
  const refused = await embedded.runCli(["job", "get", "named", "--to", "/proc/skrei"]);
  expect(refused).toMatchObject({ code: 8, stderr: expect.stringContaining("/proc/skrei cannot be written") });
});

test("a job that was stopped before it ran offers no files", async () => {
  const jobId = (await stdoutOf("run", "busybox", "-d", "--where", "zone=moon")).trim();
  await stdoutOf("job", "stop", jobId, "--wait");
  const described = await stdoutOf("job", "describe", jobId);
  expect(described).toMatch(/state +stopped/u);
  expect(described).not.toMatch(/^(?:files|logs) /mu);
});
