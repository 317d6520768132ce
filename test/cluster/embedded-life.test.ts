import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startCli } from "../kit/cli-process.ts";
import { startEmbedded } from "../kit/embedded.ts";
import { eventually } from "../kit/eventually.ts";

const run = promisify(execFile);
const BIN = fileURLToPath(new URL("../../cli/bin/skrei.js", import.meta.url));

async function aFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "life-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // Gone.
  }
};

/** Processes that `pid` started. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const { stdout } = await run("pgrep", ["-P", String(pid)]);
  return stdout.trim().split("\n").map(Number);
}

test("the demo answers, verifies and leaves neither a process nor a file", async () => {
  await using folder = await aFolder();
  const demo = startCli(["demo"], { env: { HOME: folder.path, TMPDIR: folder.path, DOCKER_HOST: "unix:///nowhere" }, withinMs: 120_000 });
  const [cluster = 0] = await eventually(
    () => childrenOf(demo.pid).catch(() => []),
    (pids) => pids.length > 0,
    { withinMs: 30_000 },
  );
  const { code, stdout, stderr } = await demo.done;
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: "5905 words in 4 files\n6554 words in 4 files\n8165 words in 4 files\n" });
  expect(stderr).toMatch(/every byte matches its content id/u);
  expect(isAlive(cluster)).toBe(false);
  expect((await readdir(folder.path)).filter((name) => name.startsWith("skrei"))).toEqual([]);
});

test("Ctrl-C stops the cluster, and says to a later command that it has", async () => {
  const embedded = await startEmbedded();
  const { env } = embedded;
  embedded.dev.signal("SIGINT");
  expect((await embedded.dev.done).code).toBe(0);
  expect(embedded.dev.stderr()).toMatch(/stopping 3 nodes/u);
  const { code, stderr } = await startCli(["job", "list", "--server", embedded.url], { env }).done;
  expect(code).toBe(5);
  expect(stderr).toMatch(/No cluster answers/u);
  await embedded[Symbol.asyncDispose]();
});

test("a cluster does not outlive a `skrei dev` that was killed", async () => {
  await using embedded = await startEmbedded();
  const [cluster = 0] = await childrenOf(embedded.dev.pid);
  embedded.dev.signal("SIGKILL");
  await eventually(
    () => isAlive(cluster),
    (alive) => !alive,
    { withinMs: 20_000 },
  );
});

test("jobs and results are kept in a data folder, which is one cluster's alone", async () => {
  await using folder = await aFolder();
  const data = ["--data", join(folder.path, "data")];
  let jobId = "";
  {
    await using first = await startEmbedded(data);
    await first.runCli(["run", "--example", "wordcount"]);
    jobId = (await first.runCli(["job", "list", "-q"])).stdout.trim();
  }
  await using second = await startEmbedded(data);
  const third = await startCli(["dev", ...data], { env: second.env }).done;
  expect(third.code).toBe(8);
  expect(third.stderr).toMatch(/DATA_LOCKED/u);
  const got = await second.runCli(["job", "get", jobId, "--to", "out"]);
  expect(got.code, got.stderr).toBe(0);
});

test("Ctrl-C in a terminal leaves the job, which goes on, and says how to come back and how to stop it", async () => {
  await using embedded = await startEmbedded();
  const session = `skrei-test-${process.pid}`;
  const socket = join(embedded.folder, "tmux");
  const tmux = (...args: readonly string[]): Promise<{ stdout: string }> =>
    run("tmux", ["-S", socket, ...args], { env: { ...process.env, ...embedded.env } });
  await tmux("new-session", "-d", "-s", session, "-x", "120", "-y", "40", "sh");
  try {
    await tmux(
      "send-keys",
      "-t",
      session,
      `'${process.execPath}' '${BIN}' run busybox -- sh -c 'echo begun; sleep 600'; echo ended with $?`,
      "Enter",
    );
    const screen = async (): Promise<string> => (await tmux("capture-pane", "-p", "-t", session)).stdout;
    await eventually(screen, (text) => /^begun$/mu.test(text), { withinMs: 60_000 });
    await tmux("send-keys", "-t", session, "C-c");
    const text = await eventually(screen, (shown) => /ended with \d/u.test(shown), { withinMs: 30_000 });
    expect(text).toMatch(/the job goes on/u);
    expect(text).toMatch(/ended with 130/u);
    const [, jobId = ""] = /stop +skrei job stop (j-\S+)/u.exec(text) ?? [];
    expect((await embedded.runCli(["job", "describe", jobId])).stdout).toMatch(/state +running/u);
    expect((await embedded.runCli(["job", "stop", jobId, "--wait"])).code).toBe(0);
    expect((await embedded.runCli(["job", "stop", jobId])).stderr).toMatch(/stopped already/u);
  } finally {
    await tmux("kill-server").catch(() => undefined);
  }
});
