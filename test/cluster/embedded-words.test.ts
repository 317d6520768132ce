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

test("a job that was stopped before it ran offers no files", async () => {
  const jobId = (await stdoutOf("run", "busybox", "-d", "--where", "zone=moon")).trim();
  await stdoutOf("job", "stop", jobId, "--wait");
  const described = await stdoutOf("job", "describe", jobId);
  expect(described).toMatch(/state +stopped/u);
  expect(described).not.toMatch(/^(?:files|logs) /mu);
});
