import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createCluster } from "../client/cluster.ts";
import { writeDevContext } from "../client/dev-context.ts";
import { createTestTerminal } from "../test-terminal.ts";
import { watchJob } from "./watch-job.ts";

test("says at once that the connection is lost, and at the end which job it was and how to come back", async () => {
  const settings = { server: "http://127.0.0.1:1", token: undefined, origin: "--server", isVerbose: false };
  const terminal = createTestTerminal();
  const { signal } = new AbortController();
  const session = { terminal, settings, cluster: createCluster(settings, () => undefined), signal };
  const watching = watchJob(session, "j-01", { signal, reconnectsMax: 2 }).next();
  await expect(watching).rejects.toMatchObject({
    reason: "UNREACHABLE",
    message: expect.stringMatching(/No cluster answers at http:\/\/127\.0\.0\.1:1 .*j-01/u) as string,
    metadata: { hint: expect.stringContaining("skrei job logs j-01 --follow") as string },
  });
  expect(terminal.written.stderr).toBe("connection lost, trying again …\n");
});

const NO_PROCESS = 2 ** 30;

test.for([
  [{ stoppedAtMs: 2 }, /has ended, and j-01 with it/u],
  [{ pid: NO_PROCESS }, /has ended, and j-01 with it/u],
  [{ pid: NO_PROCESS, dataFolder: "/kept" }, /has ended, and j-01 goes on with the next one over \/kept/u],
] as const)("gives up at once when the cluster was skrei dev and that has ended: %j", async ([end, message]) => {
  const home = await mkdtemp(join(tmpdir(), "skrei-home-"));
  onTestFinished(() => rm(home, { recursive: true }));
  const server = "http://127.0.0.1:1";
  await writeDevContext(join(home, "skrei"), { server, startedAtMs: 1, ...end });
  const settings = { server, token: undefined, origin: "--server", isVerbose: false };
  const terminal = createTestTerminal({ env: { XDG_CONFIG_HOME: home } });
  const { signal } = new AbortController();
  const session = { terminal, settings, cluster: createCluster(settings, () => undefined), signal };
  await expect(watchJob(session, "j-01", { signal }).next()).rejects.toMatchObject({
    kind: "unavailable",
    reason: "UNREACHABLE",
    message: expect.stringMatching(message) as string,
  });
  expect(terminal.written.stderr).toBe("");
});
