import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startCli } from "../kit/cli-process.ts";
import { DOCKER_HOST } from "../kit/docker-host.ts";
import { startEmbedded } from "../kit/embedded.ts";
import { eventually } from "../kit/eventually.ts";

const run = promisify(execFile);

async function containersOf(nodeIds: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run("docker", ["-H", DOCKER_HOST, "ps", "-a", "--format", '{{.Names}} {{.Label "skrei.node"}}']);
  return stdout.split("\n").filter((line) => nodeIds.some((nodeId) => line.includes(nodeId)));
}

async function nodeIdsOf(cluster: Awaited<ReturnType<typeof startEmbedded>>): Promise<readonly string[]> {
  return (await cluster.runCli(["node", "list", "-q", "--server", cluster.url])).stdout.trim().split("\n");
}

test("a cluster in memory takes its containers along when it is stopped", async () => {
  await using embedded = await startEmbedded(["--nodes", "1"]);
  const nodeIds = await nodeIdsOf(embedded);
  // An ended job does not count.
  expect((await embedded.runCli(["run", "--example", "primes", "--count", "1", "-q"])).code).toBe(0);
  await using job = embedded.startCli(["run", "busybox", "sh", "-c", "echo begun; sleep 600"]);
  await eventually(
    () => containersOf(nodeIds),
    (names) => names.length > 1,
    { withinMs: 60_000 },
  );
  await eventually(
    () => job.stderr(),
    (text) => text.includes("runs on"),
    { withinMs: 30_000 },
  );
  embedded.dev.signal("SIGINT");
  const { code, stderr } = await embedded.dev.done;
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/stopping 1 node … 1 job ends with it/u);
  expect(await containersOf(nodeIds)).toEqual([]);
  const followed = await job.done;
  expect(followed.code, followed.stderr).toBe(5);
  expect(followed.stderr).toMatch(/The dev cluster at \S+ has ended, and j-\w+ with it/u);
});

test("a second cluster leaves the context to the first one while that answers", async () => {
  await using first = await startEmbedded(["--nodes", "1"]);
  await using second = startCli(["dev", "--nodes", "1"], { env: first.env, cwd: first.folder, withinMs: 120_000 });
  await eventually(
    () => second.stdout(),
    (text) => text.includes("Ready in"),
    { withinMs: 60_000 },
  );
  const [, url = ""] = /skrei --server (\S+) job list/u.exec(second.stderr()) ?? [];
  expect(second.stderr()).toContain(`the context "dev" stays with the cluster at ${first.url}`);
  expect(second.stderr()).toMatch(/port 1234 is busy/u);
  expect(Number(new URL(url).port)).toBeGreaterThanOrEqual(1240);
  const unknown = await first.runCli(["job", "describe", "j-00000000"]);
  expect(unknown.stderr).toContain(`(at ${first.url})`);
  second.signal("SIGINT");
  await second.done;
  expect((await first.runCli(["job", "list"])).code).toBe(0);
});

test("Ctrl-C in the demo says that the job ends, and nothing of a bug", async () => {
  const folder = await mkdtemp(join(tmpdir(), "life-"));
  try {
    const demo = startCli(["demo"], { env: { HOME: folder, TMPDIR: folder, DOCKER_HOST: "unix:///nowhere" }, withinMs: 120_000 });
    await eventually(
      () => demo.stderr(),
      (text) => text.includes("wasm, 3 parts"),
      { withinMs: 60_000 },
    );
    demo.signal("SIGINT");
    const { code, stderr } = await demo.done;
    expect(code).toBe(130);
    expect(stderr).toMatch(/the job ends with this cluster/u);
    expect(stderr).not.toMatch(/goes on|bug|error/u);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("parts that share a terminal write side by side, each line behind its part", async () => {
  await using embedded = await startEmbedded();
  const bin = fileURLToPath(new URL("../../cli/bin/skrei.js", import.meta.url));
  const tmux = (...args: readonly string[]): Promise<{ stdout: string }> =>
    run("tmux", ["-S", join(embedded.folder, "tmux"), ...args], { env: { ...process.env, ...embedded.env } });
  await tmux("new-session", "-d", "-s", "parts", "-x", "120", "-y", "40", "sh");
  try {
    // No part ends, so both lines can only be there when both are followed at once.
    const line = `'${process.execPath}' '${bin}' run busybox --count 2 sh -c 'echo begun; sleep 600'`;
    await tmux("send-keys", "-t", "parts", line, "Enter");
    const screen = async (): Promise<string> => (await tmux("capture-pane", "-p", "-t", "parts")).stdout;
    await eventually(screen, (text) => /^part 0 \| begun$/mu.test(text) && /^part 1 \| begun$/mu.test(text), { withinMs: 60_000 });
  } finally {
    await tmux("kill-server").catch(() => undefined);
  }
});
